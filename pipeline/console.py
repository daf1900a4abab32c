"""How the pipeline speaks: what a command tells while it works, and the terminal that shows it.

Whatever takes long is given a `Reporter`. The command line passes a `ConsoleReporter`, which draws
live bars on a terminal and writes plain lines to a pipe; tests pass `Silent`.
"""

import atexit
import codecs
import contextlib
import io
import os
import shutil
import sys
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)


class Bar:
    """A progress bar that is open; this one is not drawn."""

    def advance(self, amount: int = 1, note: str = "") -> None:
        """Move on by `amount` units and show `note` (a few numbers that matter) behind the bar."""


class Reporter:
    """Where work in progress sends its words; this one keeps them back."""

    def line(self, text: str) -> None:
        """Say one line."""

    def bar(self, label: str, total: int) -> AbstractContextManager[Bar]:
        """Open a progress bar over `total` units; leaving the context removes it."""
        return nullcontext(Bar())


Silent = Reporter


class OnlyBars(Reporter):
    """Draws the bars of a job that is one of many, under a label, and keeps its lines back."""

    def __init__(self, reporter: Reporter, label: str) -> None:
        self._reporter, self._label = reporter, label

    def bar(self, label: str, total: int) -> AbstractContextManager[Bar]:
        """Open a bar of the reporter behind."""
        return self._reporter.bar(f"{self._label}  {label}", total)


class _LiveBar(Bar):
    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def advance(self, amount: int = 1, note: str = "") -> None:
        self._progress.update(self._task, advance=amount, note=note)


class _SortedProgress(Progress):
    """Bars that are opened and closed at any time, always in the order of their labels."""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield self.make_tasks_table(sorted(self.tasks, key=lambda task: task.description))


def _console(*, stderr: bool = False) -> Console:
    # Lines are wrapped by the terminal, never by us: they must stay whole for grep and logs.
    return Console(stderr=stderr, soft_wrap=True, highlight=False, markup=False, emoji=False)


class ConsoleReporter(Reporter):
    """Writes lines to standard output; bars appear only where standard output is a terminal."""

    def __init__(self) -> None:
        self._console = _console()
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
    _console(stderr=True).print(f"error: {text}", style="bold red")


def print_note(text: str) -> None:
    """Print one sentence to standard error that is worth knowing but stops nothing."""
    _console(stderr=True).print(f"note: {text}", style="yellow")


def make_command(target: str, knobs: Mapping[str, str]) -> str:
    """Return what a user types: `make try AUGMENT=mine SEEDS="0 1"`; empty knobs are left out."""
    values = [f'{name}="{v}"' if " " in v else f"{name}={v}" for name, v in knobs.items() if v]
    return " ".join(["make", target, *values])


def name_folds(folds: Sequence[int]) -> str:
    """Return "fold 3" or "folds 0,1,2"."""
    return f"fold{'s' if len(folds) > 1 else ''} {','.join(map(str, folds))}"


_PLAIN = str.maketrans({"→": "->", "–": "-", "×": "x", "·": ".", "±": "+-", "≥": ">="})

_STDERR = 2


def make_do() -> None:
    """Make do without what the surroundings lack, so that no command fails for the want of it.

    A character that an output's encoding does not have is written in plain letters; what is said
    to an output that is closed is lost; and a user without a home, as there is in containers, has
    one for the time being: libraries look there for their settings.

    Raises:
        OSError: There is nowhere to write at all.
    """
    # A file opened later would take the number of an output that is closed.
    while (handle := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        pass
    os.close(handle)
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    sys.stderr = sys.stderr or sys.stdout
    codecs.register_error("plain", _write_plainly)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="plain")
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = home = tempfile.mkdtemp(prefix="home-")
        atexit.register(shutil.rmtree, home, ignore_errors=True)


def _write_plainly(error: UnicodeError) -> tuple[str | bytes, int]:
    """What a codec writes for the characters that it does not have."""
    assert isinstance(error, UnicodeEncodeError)
    wanted = error.object[error.start : error.end].translate(_PLAIN)
    plain = unicodedata.normalize("NFKD", wanted).encode("ascii", "replace")
    return plain.decode(), error.end
