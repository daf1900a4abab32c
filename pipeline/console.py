"""The reporter of the command line: live bars on a terminal, plain lines in a pipe."""

import contextlib
import sys
from collections.abc import Iterable, Iterator

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from pipeline.reporting import Bar


class _LiveBar:
    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def advance(self, amount: int = 1, note: str = "") -> None:
        self._progress.update(self._task, advance=amount, note=note)


class _SortedProgress(Progress):
    """Bars that are opened and closed at any time, always in the order of their labels."""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield self.make_tasks_table(sorted(self.tasks, key=lambda task: task.description))


class ConsoleReporter:
    """Writes lines to standard output; bars appear only where standard output is a terminal."""

    def __init__(self) -> None:
        # Lines are wrapped by the terminal, never by us: they must stay whole for grep and logs.
        self._console = Console(soft_wrap=True, highlight=False, markup=False, emoji=False)
        self._progress = _SortedProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(compact=True),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )

    def line(self, text: str) -> None:
        """Print a line."""
        self._console.print(text)
        sys.stdout.flush()

    @contextlib.contextmanager
    def bar(self, label: str, total: int) -> Iterator[Bar]:
        """Draw a bar that disappears when it is done; several may be open at once."""
        if not self._progress.tasks:
            self._progress.start()
        task = self._progress.add_task(label, total=total, note="")
        try:
            yield _LiveBar(self._progress, task)
        finally:
            self._progress.remove_task(task)
            if not self._progress.tasks:
                self._progress.stop()


def print_error(text: str) -> None:
    """Print one sentence to standard error, red on a terminal."""
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False, emoji=False)
    console.print(f"error: {text}", style="bold red")


def print_note(text: str) -> None:
    """Print one sentence to standard error that is worth knowing but stops nothing."""
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False, emoji=False)
    console.print(f"note: {text}", style="yellow")
