"""How far an asking is, in a notebook, on a terminal, or as plain lines in what is neither."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bars

from notemill.progress import EVERY_S, Progress

Draw = Callable[[bool], None]
"""Draws the state as it is; true for the last time."""


class AskingProgress(Progress):
    """Counts texts; drawn by whoever waits for them, in whose thread a notebook shows it."""

    ready: bool = False

    def begin(self) -> None:
        """An engine is ready: the rate counts from the first."""
        if not self.ready:
            self.ready = True
            self.started = time.monotonic()

    def line_if_due(self) -> None:
        """Nothing: it is drawn."""

    def line(self) -> str:
        """The state now, as one line."""
        if self.ready:
            return super().line()
        return "all answered before" if self.done == self.total else "the engine starts"


@contextmanager
def shown(progress: AskingProgress) -> Iterator[Draw]:
    """Show it where this process can. Yields what draws it anew; it is drawn at the end too."""
    console = Console(stderr=True)
    with ExitStack() as life:
        if console.is_jupyter:
            draw = _in_notebook(progress)
        elif console.is_terminal:
            draw = life.enter_context(_on_terminal(progress, console))
        else:
            draw = _in_lines(progress)
        try:
            yield draw
        finally:
            draw(True)


@contextmanager
def _on_terminal(progress: AskingProgress, console: Console) -> Iterator[Draw]:
    columns = (BarColumn(), TextColumn("{task.description}", markup=False))
    with Bars(*columns, console=console, auto_refresh=False) as bars:
        task = bars.add_task("", total=progress.total)

        def draw(_: bool) -> None:
            bars.update(task, description=progress.line(), completed=progress.done, refresh=True)

        yield draw


def _in_notebook(progress: AskingProgress) -> Draw:
    """Not Rich's, which needs ipywidgets in the kernel and in the browser."""
    from IPython.display import display  # noqa: PLC0415  (it is there where a notebook is)

    def state() -> dict[str, str]:
        line = progress.line()
        bar = f'<progress value="{progress.done}" max="{progress.total}"></progress> {line}'
        return {"text/plain": line, "text/html": bar}

    last = state()
    handle = display(last, raw=True, display_id=True)  # type: ignore[no-untyped-call]

    def draw(_: bool) -> None:
        nonlocal last
        if (now := state()) != last:
            last = now
            handle.update(now, raw=True)

    return draw


def _in_lines(progress: AskingProgress) -> Draw:
    due = time.monotonic() + EVERY_S

    def draw(last: bool) -> None:
        nonlocal due
        if progress.ready and (last or time.monotonic() >= due):
            due = time.monotonic() + EVERY_S
            print(progress.line(), file=sys.stderr, flush=True)

    return draw
