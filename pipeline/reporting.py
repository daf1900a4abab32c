"""How a stage tells what it is doing, without knowing who listens.

Stages take a `Reporter`; the command line passes one that draws on a terminal or writes plain
lines to a pipe, tests pass `Silent`.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class Bar(Protocol):
    """A progress bar that is open."""

    def advance(self, amount: int = 1, note: str = "") -> None:
        """Move on by `amount` units and show `note` (a few numbers that matter) behind the bar."""


class Reporter(Protocol):
    """Where a stage sends its words."""

    def line(self, text: str) -> None:
        """Say one line."""

    def bar(self, label: str, total: int) -> AbstractContextManager[Bar]:
        """Open a progress bar over `total` units; leaving the context removes it."""


class _NoBar:
    def advance(self, amount: int = 1, note: str = "") -> None:
        pass


class OnlyBars:
    """Draws the bars of a job that is one of many, under a label, and keeps its lines back."""

    def __init__(self, reporter: Reporter, label: str) -> None:
        self._reporter, self._label = reporter, label

    def line(self, text: str) -> None:
        """Say nothing."""

    def bar(self, label: str, total: int) -> AbstractContextManager[Bar]:
        """Open a bar of the reporter behind."""
        return self._reporter.bar(f"{self._label}  {label}", total)


class Silent:
    """A reporter that says nothing."""

    def line(self, text: str) -> None:
        """Say nothing."""

    def bar(self, label: str, total: int) -> AbstractContextManager[Bar]:
        """Draw nothing."""
        return nullcontext(_NoBar())


def make_command(target: str, knobs: Mapping[str, str]) -> str:
    """Return what a user types: `make try AUGMENT=mine SEEDS="0 1"`; empty knobs are left out."""
    values = [f'{name}="{v}"' if " " in v else f"{name}={v}" for name, v in knobs.items() if v]
    return " ".join(["make", target, *values])


def name_folds(folds: Sequence[int]) -> str:
    """Return "fold 3" or "folds 0,1,2"."""
    return f"fold{'s' if len(folds) > 1 else ''} {','.join(map(str, folds))}"
