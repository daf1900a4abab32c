"""The rows of the table of runs, and their order."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pipeline.errors import UserError
from pipeline.scoring import Accuracy


@dataclass(frozen=True)
class RunRow:
    """What is known of one run.

    Attributes:
        name: Its name.
        changed_at: When its files were last written, in seconds since 1970.
        num_members: Runs averaged in it; 0 unless it is an ensemble.
        competition, preset, model, augment: Of its configuration; of an ensemble, those of its
            members, joined by "+".
        seeds: Seeds of its networks, sorted.
        folds_done: Folds whose training is finished.
        num_folds: Folds there are.
        accuracy: On the validation images of the finished folds; None if there is none yet.
        elapsed_s: Seconds of training, validation after each epoch included.
        score: The public score of its submission, once there is one.
        fault: What could not be read, in a sentence; empty if nothing is wrong.
    """

    name: str
    changed_at: float
    num_members: int = 0
    competition: str = ""
    preset: str = ""
    model: str = ""
    augment: str = ""
    seeds: tuple[int, ...] = ()
    folds_done: int = 0
    num_folds: int = 0
    accuracy: Accuracy | None = None
    elapsed_s: float = 0.0
    score: float | None = None
    fault: str = ""


_ORDERS: dict[str, tuple[Callable[[RunRow], Any], bool]] = {
    "newest": (lambda row: row.changed_at, True),
    "name": (lambda row: row.name, False),
    "preset": (lambda row: row.preset or None, False),
    "network": (lambda row: row.model or None, False),
    "recipe": (lambda row: row.augment or None, False),
    "seed": (lambda row: row.seeds or None, False),
    "folds": (lambda row: row.folds_done, True),
    "accuracy": (lambda row: row.accuracy and row.accuracy.value, True),
    "time": (lambda row: row.elapsed_s or None, False),
    "score": (lambda row: row.score, True),
}
"""What rows can be ordered by, and whether the greatest comes first."""


def sort_rows(rows: Iterable[RunRow], by: str) -> list[RunRow]:
    """Return the rows in order: best or newest first, names from A to Z, the fastest first.

    Rows that have no such value come last; equal ones are in order of their age, newest first.

    Raises:
        UserError: Runs cannot be ordered by that.
    """
    if by not in _ORDERS:
        raise UserError(f"SORT={by!r} is not known; choose one of: {', '.join(_ORDERS)}.")
    value, greatest_first = _ORDERS[by]
    newest = sorted(rows, key=lambda row: row.changed_at, reverse=True)
    known = [row for row in newest if value(row) is not None]
    return [
        *sorted(known, key=value, reverse=greatest_first),
        *(row for row in newest if value(row) is None),
    ]
