"""Headless Chromium through Playwright: what a reader's browser makes of a report.

The machine's own Chromium is driven (Debian's package `chromium`); Playwright's download of one is not needed.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from types import TracebackType
from typing import Any

from playwright.sync_api import sync_playwright

FLAGS = ("--no-sandbox", "--disable-gpu", "--hide-scrollbars")


def find_browser() -> str | None:
    """Return the path of a Chromium, or None where there is none."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Browser:
    """One headless browser with one page; a context manager that ends the process it started."""

    def __init__(self, timeout: float = 60.0) -> None:
        self._driver = sync_playwright().start()
        self._browser = self._driver.chromium.launch(executable_path=find_browser(), args=list(FLAGS))
        self.page = self._browser.new_page()
        self.page.set_default_timeout(1000 * timeout)
        self._complaints: list[str] = []
        self._requests: list[str] = []
        self.page.on("pageerror", lambda error: self._complaints.append(str(error)))
        self.page.on("console", self._said)
        self.page.on("request", lambda request: self._requests.append(request.url))
        self._session = self.page.context.new_cdp_session(self.page)

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._browser.close()
        self._driver.stop()

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of Chromium's own protocol, for what Playwright does not offer."""
        answer: dict[str, Any] = self._session.send(method, parameters)
        return answer

    def open(self, path: Path, width: int = 1280, height: int = 900, dark: bool = False, media: Any = "screen") -> None:
        """Load a local file at a viewport size (CSS pixels) and a colour scheme; wait until it is loaded."""
        self.page.set_viewport_size({"width": width, "height": height})
        scheme: Any = "dark" if dark else "light"
        self.page.emulate_media(media=media, color_scheme=scheme)
        self.go(path.resolve().as_uri())
        # a page from a file may run in a new process, which has not heard of the medium
        self.page.emulate_media(media=media, color_scheme=scheme)

    def go(self, address: str) -> None:
        """Load an address and wait until it is loaded; what was complained of before is forgotten."""
        self._complaints.clear()
        self._requests.clear()
        self.page.goto(address, wait_until="load")

    def evaluate(self, expression: str) -> Any:
        """Evaluate JavaScript in the page and return its (JSON) value."""
        return self.page.evaluate(expression)

    def press(self, key: str) -> None:
        """Press and release one key, such as "Tab"."""
        self.page.keyboard.press(key)

    def screenshot(self, path: Path, full: bool = True) -> None:
        """Write a PNG of the whole page, or of the viewport."""
        self.page.screenshot(path=path, full_page=full)

    def complaints(self) -> list[str]:
        """Everything that the page complained of since it was opened: exceptions, errors and warnings."""
        return list(self._complaints)

    def requests(self) -> list[str]:
        """The addresses that the page asked for since it was opened, data URIs left out."""
        return [address for address in self._requests if not address.startswith("data:")]

    def _said(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self._complaints.append(message.text)
