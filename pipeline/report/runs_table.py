"""The table of all runs: its rows, their order, and how they are printed."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
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
    load_run_training_images,
    read_config,
)
from pipeline.runs.scoring import Accuracy
from pipeline.runs.workspace import RunPaths, Workspace
from pipeline.settings.fields import parse_settings

_Labels = dict[str, npt.NDArray[np.uint8]]
"""Hash of a data set → its labels, each read only once."""


@dataclass
class RunRow:
    """What is known of one run.

    Attributes:
        changed_at: When its files were last written, in seconds since 1970.
        num_members: Runs averaged in it; 0 unless it is an ensemble.
        competition, preset, model, augment: Of its configuration; of an ensemble, those of its
            members, joined by "+".
        seeds: Seeds of its networks, sorted.
        folds_done, num_folds: Trainings that are finished, and how many there are to be.
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
    labels: _Labels = {}
    return [_read_row(paths, workspace, labels) for paths in workspace.runs()]


def _read_row(paths: RunPaths, workspace: Workspace, labels: _Labels) -> RunRow:
    """Everything about a run that can be read."""
    name = paths.folder.name
    row = RunRow(name, paths.changed_at())
    try:
        record = find_run(name, workspace)
        if record is None:
            raise UserError(
                f"runs/{name} holds no run: it has neither config.toml nor ensemble.toml."
            )
        _configure(row, record, workspace)
        if workspace.run(record.run).oof.exists():
            row.accuracy = _accuracy(record, workspace, labels)
        receipt = workspace.receipt(name)
        row.score = read_record(receipt, Receipt).score if receipt.exists() else None
    except UserError as error:
        row.fault = str(error)
    return row


def _configure(row: RunRow, record: RunConfig | EnsembleConfig, workspace: Workspace) -> None:
    """Fill in the settings and the time of the run's training, or of its members'."""
    names = record.member_names
    configs = [read_config(name, workspace) for name in names or [record.run]]
    runs = [workspace.run(config.run) for config in configs]
    settings = [
        parse_settings(config.settings, f"the configuration of run {config.run}")
        for config in configs
    ]
    histories = [read_history(path) for run in runs for path in run.histories()]
    row.num_members = len(names)
    row.competition = record.competition
    row.preset = _join_names(config.preset for config in configs)
    row.model = _join_names(each.model for each in settings)
    row.augment = _join_names(each.augment for each in settings)
    row.seeds = tuple(sorted({each.seed for each in settings}))
    row.folds_done = min(len(run.finished_folds()) for run in runs)
    row.num_folds = 1 if settings[0].all_data else NUM_FOLDS // settings[0].num_valid_folds
    row.elapsed_s = sum(epoch.elapsed_s for history in histories for epoch in history)


def _join_names(values: Iterable[str]) -> str:
    return "+".join(sorted(set(values)))


def _accuracy(
    record: RunConfig | EnsembleConfig, workspace: Workspace, labels: _Labels
) -> Accuracy | None:
    """The accuracy over all finished folds, of which there is one."""
    out_of_fold = load_out_of_fold(record.run, workspace, may_be_empty=True)
    if record.digits_sha256 not in labels:
        _, labels[record.digits_sha256] = load_run_training_images(record, workspace)
    return accuracy_if_validated(out_of_fold, labels[record.digits_sha256])


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
    unknown = [row for row in newest if value(row) is None]
    return sorted(known, key=value, reverse=greatest_first) + unknown


def runs_table(rows: Sequence[RunRow]) -> Table:
    """Return the runs as a table of two lines each, in the order given."""
    numbers = ("seed", "folds", "accuracy", "images", "time", "score")
    table = new_table("Runs", {"run": "name"} | dict.fromkeys(numbers, "right"))
    for row in rows:
        accuracy: Text | str = ""
        if row.accuracy:
            low, high = row.accuracy.interval()
            interval = (f"{low:.4f}-{high:.4f}", "dim")
            accuracy = Text.assemble(f"{row.accuracy.value:.4f}\n", interval)
        seeds = ",".join(map(str, row.seeds))
        table.add_row(
            Text.assemble(row.name, "\n", (_describe(row), "dim")),
            seeds if len(row.seeds) <= 3 else f"{len(row.seeds)} seeds",  # a narrow column
            f"{row.folds_done}/{row.num_folds}" if row.num_folds else "",
            accuracy,
            f"{row.accuracy.total:,}" if row.accuracy else "",
            str(timedelta(seconds=round(row.elapsed_s))) if row.elapsed_s else "",
            "" if row.score is None else f"{row.score:.5f}",
        )
    return table


def _describe(row: RunRow) -> str:
    if not row.model:
        return "  damaged"
    members = f"{row.num_members}× " if row.num_members else ""
    return f"  {members}{row.preset}, {row.model}, {row.augment}"


_CSV_COLUMNS: dict[str, Callable[[RunRow], object]] = {
    "run": lambda row: row.name,
    "changed_at": lambda row: datetime.fromtimestamp(row.changed_at, UTC).isoformat(
        timespec="seconds"
    ),
    "competition": lambda row: row.competition,
    "preset": lambda row: row.preset,
    "model": lambda row: row.model,
    "augment": lambda row: row.augment,
    "seeds": lambda row: " ".join(map(str, row.seeds)),
    "members": lambda row: row.num_members,
    "folds_done": lambda row: row.folds_done,
    "num_folds": lambda row: row.num_folds,
    "accuracy": lambda row: row.accuracy and row.accuracy.value,
    "low": lambda row: row.accuracy and row.accuracy.interval()[0],
    "high": lambda row: row.accuracy and row.accuracy.interval()[1],
    "correct": lambda row: row.accuracy and row.accuracy.correct,
    "total": lambda row: row.accuracy and row.accuracy.total,
    "elapsed_s": lambda row: round(row.elapsed_s, 1),
    "score": lambda row: row.score,
    "fault": lambda row: row.fault,
}


def runs_csv(rows: Sequence[RunRow]) -> str:
    """Return the runs as CSV, in the order given."""
    return csv_text(_CSV_COLUMNS, rows)
