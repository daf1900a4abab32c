"""The table of all runs: its rows, their order, and how they are printed."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.table import Table
from rich.text import Text

from pipeline.data.files import read_record
from pipeline.data.folds import NUM_FOLDS
from pipeline.errors import UserError
from pipeline.report.tables import csv_text, new_table
from pipeline.runs.history import read_history
from pipeline.runs.records import EnsembleConfig, Receipt, RunConfig
from pipeline.runs.results import (
    accuracy_if_validated,
    find_run,
    load_out_of_fold,
    load_run_digits,
    read_config,
)
from pipeline.runs.scoring import Accuracy
from pipeline.runs.workspace import RunPaths, Workspace
from pipeline.settings.fields import parse_settings


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


def list_runs(workspace: Workspace) -> list[RunRow]:
    """Return a row for every folder of `runs/`, damaged ones included, in no order."""
    collector = _Collector(workspace)
    return [collector.row(paths) for paths in workspace.runs()]


@dataclass(frozen=True)
class _Collector:
    """Reads runs, the labels of each data set only once."""

    workspace: Workspace
    labels: dict[str, npt.NDArray[np.uint8]] = field(default_factory=dict)

    def row(self, paths: RunPaths) -> RunRow:
        """Everything about a run that can be read."""
        name = paths.folder.name
        row = RunRow(name, paths.changed_at())
        try:
            record = find_run(name, self.workspace)
            if record is None:
                raise UserError(
                    f"runs/{name} holds no run: it has neither config.toml nor ensemble.toml."
                )
            row = self._configure(row, record)
            row = replace(row, accuracy=self._accuracy(record))
            return replace(row, score=self._score(name))
        except UserError as error:
            return replace(row, fault=str(error))

    def _configure(self, row: RunRow, record: RunConfig | EnsembleConfig) -> RunRow:
        """The row with the settings and the time of its training, or of its members'."""
        names = record.member_names
        configs = [read_config(name, self.workspace) for name in names or [record.run]]
        paths = [self.workspace.run(config.run) for config in configs]
        settings = [
            parse_settings(config.settings, f"the configuration of run {config.run}")
            for config in configs
        ]
        return replace(
            row,
            num_members=len(names),
            competition=record.competition,
            preset=_join_names(config.preset for config in configs),
            model=_join_names(each.model for each in settings),
            augment=_join_names(each.augment for each in settings),
            seeds=tuple(sorted({each.seed for each in settings})),
            folds_done=min(len(each.finished_folds()) for each in paths),
            num_folds=1 if settings[0].all_data else NUM_FOLDS // settings[0].num_valid_folds,
            elapsed_s=_elapsed_s(paths),
        )

    def _accuracy(self, record: RunConfig | EnsembleConfig) -> Accuracy | None:
        """The accuracy over all finished folds; None before the first is finished."""
        if not self.workspace.run(record.run).oof.exists():
            return None
        out_of_fold = load_out_of_fold(record.run, self.workspace, may_be_empty=True)
        if record.digits_sha256 not in self.labels:
            digits = load_run_digits(record, self.workspace)
            self.labels[record.digits_sha256] = digits.train_labels
        return accuracy_if_validated(out_of_fold, self.labels[record.digits_sha256])

    def _score(self, name: str) -> float | None:
        try:
            return read_record(self.workspace.receipt(name), Receipt).score
        except FileNotFoundError:
            return None


def _join_names(values: Iterable[str]) -> str:
    return "+".join(sorted(set(values)))


def _elapsed_s(runs: Sequence[RunPaths]) -> float:
    histories = (read_history(path) for run in runs for path in run.histories())
    return sum(epoch.elapsed_s for history in histories for epoch in history)


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


_COLUMNS = {
    "run": "name",
    "seed": "right",
    "folds": "right",
    "accuracy": "right",
    "images": "right",
    "time": "right",
    "score": "right",
}
_CSV_COLUMNS = (
    *("run", "changed_at", "competition", "preset", "model", "augment", "seeds", "members"),
    *("folds_done", "num_folds", "accuracy", "low", "high", "correct", "total", "elapsed_s"),
    *("score", "fault"),
)


def runs_table(rows: Sequence[RunRow]) -> Table:
    """Return the runs as a table of two lines each, in the order given."""
    table = new_table("Runs", _COLUMNS)
    for row in rows:
        accuracy = row.accuracy
        table.add_row(
            Text.assemble(row.name, "\n", (_describe(row), "dim")),
            _join_seeds(row.seeds),
            f"{row.folds_done}/{row.num_folds}" if row.num_folds else "",
            Text.assemble(f"{accuracy.value:.4f}\n", (_interval(accuracy.interval()), "dim"))
            if accuracy
            else "",
            f"{accuracy.total:,}" if accuracy else "",
            _clock(row.elapsed_s) if row.elapsed_s else "",
            "" if row.score is None else f"{row.score:.5f}",
        )
    return table


def _describe(row: RunRow) -> str:
    if not row.model:
        return "  damaged"
    parts = f"{row.preset}, {row.model}, {row.augment}"
    return f"  {row.num_members}× {parts}" if row.num_members else f"  {parts}"


def _join_seeds(seeds: Sequence[int]) -> str:
    """At most three, so that the column stays narrow."""
    return ",".join(map(str, seeds)) if len(seeds) <= 3 else f"{len(seeds)} seeds"


def _interval(interval: tuple[float, float]) -> str:
    return f"{interval[0]:.4f}-{interval[1]:.4f}"


def _clock(elapsed_s: float) -> str:
    """Hours, minutes and seconds, as 1:02:03 or 0:02:03."""
    return str(timedelta(seconds=round(elapsed_s)))


def runs_csv(rows: Sequence[RunRow]) -> str:
    """Return the runs as CSV, in the order given."""
    return csv_text(_CSV_COLUMNS, [_csv_row(row) for row in rows])


def _csv_row(row: RunRow) -> dict[str, object]:
    accuracy = row.accuracy
    low, high = accuracy.interval() if accuracy else (None, None)
    return {
        "run": row.name,
        "changed_at": datetime.fromtimestamp(row.changed_at, UTC).isoformat(timespec="seconds"),
        "competition": row.competition,
        "preset": row.preset,
        "model": row.model,
        "augment": row.augment,
        "seeds": " ".join(map(str, row.seeds)),
        "members": row.num_members,
        "folds_done": row.folds_done,
        "num_folds": row.num_folds,
        "accuracy": accuracy and accuracy.value,
        "low": low,
        "high": high,
        "correct": accuracy and accuracy.correct,
        "total": accuracy and accuracy.total,
        "elapsed_s": round(row.elapsed_s, 1),
        "score": row.score,
        "fault": row.fault,
    }
