"use strict";
(() => {
  const root = document.documentElement;
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const said = document.getElementById("said");

  // What the reader chose is kept in the address, so that a link shows the same view.
  const chosen = new URLSearchParams(location.search);
  const keep = (key, value, usual) => {
    if (value === usual || value === "") chosen.delete(key); else chosen.set(key, value);
    const query = chosen.toString();
    try { history.replaceState(null, "", (query ? "?" + query : location.pathname) + location.hash); } catch { /* some browsers forbid it for local files */ }
  };

  // Theme: as the system has it, unless the reader chose.
  const themeButton = document.getElementById("theme");
  const remembered = () => { try { return localStorage.getItem("repro-theme"); } catch { return null; } };
  const dark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const showTheme = (theme) => {
    if (theme === "dark" || theme === "light") root.dataset.theme = theme;
    themeButton.firstElementChild.textContent = dark() ? "☀ Light" : "☾ Dark";
  };
  showTheme(chosen.get("theme") || remembered());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => showTheme(null));
  themeButton.hidden = false;
  themeButton.addEventListener("click", () => {
    const next = dark() ? "light" : "dark";
    try { localStorage.setItem("repro-theme", next); } catch { /* private window: for this page only */ }
    keep("theme", next, null);
    showTheme(next);
  });

  // The table's views.
  for (const group of all("[data-views]")) {
    const target = document.getElementById(group.dataset.views);
    group.hidden = false;
    const inputs = all("input", group);
    const show = (view) => { target.dataset.view = view; for (const input of inputs) input.checked = input.value === view; };
    const wanted = chosen.get("view");
    if (inputs.some((input) => input.value === wanted)) show(wanted);
    group.addEventListener("change", (event) => { show(event.target.value); keep("view", event.target.value, inputs[0].value); });
  }

  // Sorting: numbers by value (data-v), words by the alphabet; a third press restores the paper's order.
  const number = (cell) => (cell.dataset.v === undefined ? null : cell.dataset.v === "" ? NaN : Number(cell.dataset.v));
  for (const table of all("table[data-sortable]")) {
    const body = table.tBodies[0];
    const original = [...body.rows];
    const heads = all("thead th", table);
    const sort = (column, order) => {
      heads.forEach((head, i) => head.setAttribute("aria-sort", i === column && order ? order : "none"));
      const sign = order === "descending" ? -1 : 1;
      const rows = order ? [...original].sort((a, b) => {
        const [x, y] = [a.cells[column], b.cells[column]];
        const [u, v] = [number(x), number(y)];
        if (u === null || v === null) return sign * x.textContent.trim().localeCompare(y.textContent.trim(), "en", { numeric: true });
        if (Number.isNaN(u) || Number.isNaN(v)) return Number(Number.isNaN(u)) - Number(Number.isNaN(v));
        return sign * (u - v);
      }) : original;
      body.append(...rows);
    };
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.className = "sort";
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const now = head.getAttribute("aria-sort");
        const next = now === "none" ? "ascending" : now === "ascending" ? "descending" : "";
        sort(column, next);
        keep(table.id + "-sort", next ? `${column}${next === "descending" ? "d" : "a"}` : "", "");
      });
    });
    const wanted = /^(\d+)([ad])$/.exec(chosen.get(table.id + "-sort") || "");
    if (wanted && Number(wanted[1]) < heads.length) sort(Number(wanted[1]), wanted[2] === "d" ? "descending" : "ascending");
  }

  // Filtering: every word must occur somewhere in the row.
  for (const input of all("input[data-filter]")) {
    const filtered = document.getElementById(input.dataset.filter);
    const items = all("tbody tr", filtered);
    const places = all("section, details.waiting", filtered);
    const counter = document.getElementById(input.dataset.filter + "-count");
    const apply = () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const item of items) {
        const text = item.textContent.toLowerCase();
        item.hidden = !words.every((word) => text.includes(word));
        shown += Number(!item.hidden);
      }
      for (const place of places) {
        place.hidden = words.length > 0 && all("tbody tr", place).every((item) => item.hidden);
        if (words.length && place.matches("details")) place.open = true;
      }
      if (counter) counter.textContent = words.length ? `${shown} of ${items.length} rows` : `${items.length} rows`;
    };
    input.closest(".bar").hidden = false;
    input.value = chosen.get(input.dataset.filter) || "";
    apply();
    if (document.querySelector("input[data-filter]") === input) addEventListener("keydown", (event) => {
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
      event.preventDefault();
      input.focus();
    });
    input.addEventListener("input", () => { apply(); keep(input.dataset.filter, input.value, ""); });
  }

  // Claims by verdict.
  for (const select of all("select[data-claims]")) {
    const apply = () => { for (const more of all(".claims-more")) more.open ||= Boolean(select.value); for (const claim of all("details.claim")) claim.hidden = Boolean(select.value) && claim.dataset.verdict !== select.value; };
    select.closest(".bar").hidden = false;
    const wanted = chosen.get("verdict");
    if ([...select.options].some((option) => option.value === wanted)) select.value = wanted;
    apply();
    select.addEventListener("change", () => { apply(); keep("verdict", select.value, ""); });
  }

  // Copying.
  const copy = async (text) => {
    try { await navigator.clipboard.writeText(text); return true; } catch {
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      const done = document.execCommand("copy");
      area.remove();
      return done;
    }
  };
  for (const button of all("button[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const done = await copy(button.dataset.copy);
      const usual = button.textContent;
      button.textContent = done ? "Copied" : "Select and copy";
      said.textContent = done ? "Command copied" : "Copying is not allowed here";
      setTimeout(() => { button.textContent = usual; }, 1600);
    });
  }

  // Downloads of the page's own data.
  const data = document.getElementById("report-data");
  const save = (name, type, text) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  const csv = (rows) => {
    const keys = Object.keys(rows[0] || {});
    const field = (value) => { const text = value === null ? "" : String(value); return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text; };
    return [keys.join(","), ...rows.map((row) => keys.map((key) => field(row[key])).join(","))].join("\n") + "\n";
  };
  for (const button of all("button[data-save]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const parsed = JSON.parse(data.textContent);
      const stem = parsed.table.replaceAll("/", "-");
      if (button.dataset.save === "json") save(`${stem}.json`, "application/json", JSON.stringify(parsed, null, 1));
      else save(`${stem}-${button.dataset.save}.csv`, "text/csv", csv(parsed[button.dataset.save]));
    });
  }

  // Pictures: the slider cuts between truth and prediction; one choice of cell for all sheets.
  for (const slider of all(".slide")) {
    const frame = slider.previousElementSibling;
    const cut = () => frame.style.setProperty("--cut", slider.value + "%");
    slider.hidden = false;
    slider.addEventListener("input", cut);
    const drag = (event) => {
      const box = frame.getBoundingClientRect();
      slider.value = String(Math.round(Math.min(100, Math.max(0, (100 * (event.clientX - box.left)) / box.width))));
      cut();
    };
    frame.addEventListener("pointerdown", (event) => { drag(event); frame.setPointerCapture(event.pointerId); });
    frame.addEventListener("pointermove", (event) => { if (event.buttons) drag(event); });
  }
  const picker = document.getElementById("picture-cell");
  if (picker) {
    const pictures = JSON.parse(document.getElementById("picture-data").textContent);
    picker.closest(".bar").hidden = false;
    const show = () => {
      for (const sheet of all("[data-sheet]")) {
        const found = pictures[Number(sheet.dataset.sheet)][picker.value];
        for (const part of all("[data-of-cell]", sheet)) part.hidden = !found;
        if (!found) continue;
        all("img.prediction", sheet).forEach((image) => { image.src = found.p; image.alt = `prediction of ${picker.selectedOptions[0].text}`; });
        all("img.wrong", sheet).forEach((image) => { image.src = found.w; });
        all(".correct", sheet).forEach((text) => { text.textContent = found.c; });
      }
    };
    const step = (by) => { picker.selectedIndex = (picker.selectedIndex + by + picker.options.length) % picker.options.length; picker.dispatchEvent(new Event("change")); };
    const wanted = chosen.get("cell");
    if ([...picker.options].some((option) => option.value === wanted)) picker.value = wanted;
    const usual = picker.options[0].value;
    show();
    picker.addEventListener("change", () => { show(); keep("cell", picker.value, usual); });
    for (const button of all("button[data-step]")) button.addEventListener("click", () => step(Number(button.dataset.step)));
  }

  // A link into a closed part opens it.
  const reveal = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    const inside = target.querySelector(":scope > details.section");
    const closed = [...(inside ? [inside] : []), ...all("details:not([open])").filter((part) => part.contains(target))];
    for (const part of closed) part.open = true;
    if (closed.length) target.scrollIntoView();
  };
  reveal();
  addEventListener("hashchange", reveal);

  // The section in view is marked in the contents.
  const links = new Map(all("nav.toc a").map((link) => [link.hash.slice(1), link]));
  const watch = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) {
      for (const link of links.values()) link.removeAttribute("aria-current");
      links.get(entry.target.id)?.setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-15% 0px -75% 0px" });
  for (const section of all("main section[id]")) watch.observe(section);
})();
