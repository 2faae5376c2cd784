"""The one live view of a run: the paper's table as it fills, the trainings that run, the time left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from repro.run.progress.events import Event, Failed, Message, Stopped, Waiting
from repro.run.progress.lines import event_text, speed
from repro.run.progress.state import CellState, Progress, in_words
from repro.run.progress.table_view import CellView, TableView

_STYLES = {"fixed": "dim", "waiting": "dim", "elsewhere": "dim", "training": "cyan", "done": "bold", "failed": "red"}
_LEGEND = {"waiting": "· waiting", "elsewhere": "~ another run", "training": "> training", "failed": "x failed"}
_LINES_AROUND = 7
"""Lines of the view besides the table's rows and the running trainings: title, header and its rule, which rows are
shown, legend, bar, and one to spare for the prompt."""


class LiveView:
    """Listens to events and keeps the picture on `console` up to date."""

    def __init__(self, progress: Progress, console: Console) -> None:
        self._progress = progress
        self._console = console

    def __call__(self, event: Event) -> None:
        """Take note of `event`; what the user must not miss is written above the picture and stays."""
        self._progress.apply(event)
        if isinstance(event, Failed | Stopped | Waiting | Message):
            self._console.print(event_text(self._progress, event), markup=False, highlight=False)

    def __rich__(self) -> RenderableType:
        below = len(self._progress.running) + len(self._progress.searching)
        room = self._console.size.height - _LINES_AROUND - below
        return draw(self._progress, max(room, 3))


@contextmanager
def live(progress: Progress, console: Console) -> Iterator[LiveView]:
    """Show the progress on `console` while the block runs; the last picture stays."""
    view = LiveView(progress, console)
    with Live(view, console=console, refresh_per_second=4):
        yield view


def draw(progress: Progress, room: int) -> RenderableType:
    """Return the picture: the table in work with at most `room` rows, the bar, the running trainings."""
    number = table_in_work(progress)
    parts: list[RenderableType] = []
    if progress.table_views:
        table_view = progress.table_views[number]
        of = f" (table {number + 1} of {len(progress.table_views)})" if len(progress.table_views) > 1 else ""
        parts.append(Text(table_view.title + of, style="bold"))
        parts.append(_table(progress, table_view, room))
        states = {progress.cell(cell_view).state for cell_view in table_view.cells}
        if legend := [text for state, text in _LEGEND.items() if state in states]:
            parts.append(Text("   ".join(legend), style="dim"))
    parts += [_bar(progress), *_running(progress), *_searching(progress)]
    return Group(*parts)


def table_in_work(progress: Progress) -> int:
    """Return the number of the table to show: the first with something running, else unfinished, else the last."""
    states = [{progress.cell(cell_view).state for cell_view in table_view.cells} for table_view in progress.table_views]
    for wanted in ({"training"}, {"waiting", "elsewhere"}):
        for number, present in enumerate(states):
            if present & wanted:
                return number
    return len(states) - 1


def visible(count: int, active: int, room: int) -> range:
    """Return which of `count` rows to show in `room`: all, or a window with `active` in its middle."""
    if count <= room:
        return range(count)
    first = min(max(active - room // 2, 0), count - room)
    return range(first, first + room)


def cell_text(state: CellState, cell_view: CellView) -> str:
    """Return what a cell shows: a value in its printed unit, a share of the work, or a sign (see the legend)."""
    if state.state == "fixed":
        return cell_view.text
    value = "" if state.value is None else f"{cell_view.metric.factor * state.value:.{cell_view.decimals}f}"
    if state.state == "done":
        return value or "done"
    if state.of > 1 and value:
        value += f" {state.done}/{state.of} "
    sign = {"waiting": "·", "elsewhere": "~", "failed": "x", "training": f"> {100 * state.fraction:.0f} %"}
    return value + sign[state.state]


def _table(progress: Progress, table_view: TableView, room: int) -> RenderableType:
    columns = {
        cell_view.column: cell_view.column_label
        for cell_view in sorted(table_view.cells, key=lambda cell_view: cell_view.column)
    }
    rows = {
        cell_view.row: cell_view.row_label
        for cell_view in sorted(table_view.cells, key=lambda cell_view: cell_view.row)
    }
    cells = {(cell_view.row, cell_view.column): cell_view for cell_view in table_view.cells}
    states = {place: progress.cell(cell_view) for place, cell_view in cells.items()}
    order = list(rows)
    unfinished = [row for row, _ in sorted(cells) if any(
        states[row, column].state in ("training", "waiting") for column in columns if (row, column) in states
    )]  # fmt: skip
    shown = visible(len(order), order.index(unfinished[0]) if unfinished else len(order) - 1, room)
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("", overflow="fold")
    for label in columns.values():
        table.add_column(Text(label), justify="right", overflow="fold")
    for row in (order[index] for index in shown):
        texts = [
            Text(cell_text(states[row, column], cells[row, column]), style=_STYLES[states[row, column].state])
            if (row, column) in cells
            else Text("")
            for column in columns
        ]
        table.add_row(Text(rows[row]), *texts)
    if len(shown) < len(order):
        return Group(table, Text(f"rows {shown[0] + 1} to {shown[-1] + 1} of {len(order)}", style="dim"))
    return table


def _bar(progress: Progress) -> RenderableType:
    done, of = progress.evaluations
    seconds = progress.seconds_left()
    parts = [f"{done}/{of} measured", f"{in_words(progress.clock() - progress.began)} so far"]
    if progress.fraction < 1 and seconds is not None:
        parts.append(f"about {in_words(seconds)} left")
    grid = Table.grid(padding=(0, 2))
    grid.add_row(
        ProgressBar(1.0, progress.fraction, width=30, complete_style="cyan", finished_style="cyan"),
        Text(", ".join(parts)),
    )
    return grid


def _running(progress: Progress) -> list[RenderableType]:
    if not progress.running:
        return []
    grid = Table.grid(padding=(0, 2))
    for running in progress.running.values():
        trained = running.step == running.iterations
        grid.add_row(
            Text(progress.label(running.key)),
            Text("measuring" if trained else f"step {running.step}/{running.iterations}"),
            Text("" if running.loss is None else f"loss {running.loss:.3f}"),
            Text(speed(running.seconds_per_step) if running.seconds_per_step and not trained else ""),
        )
    return [grid]


def _searching(progress: Progress) -> list[RenderableType]:
    if not progress.searching:
        return []
    grid = Table.grid(padding=(0, 2))
    for search in progress.searching.values():
        grid.add_row(
            Text(progress.label(search.key)),
            ProgressBar(search.of, search.done, width=20, complete_style="cyan", finished_style="cyan"),
            Text(f"CRF search {search.done}/{search.of}"),
        )
    return [grid]
