"""All runs there are, one row each; nothing is written."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from pipeline.artifacts.paths import RunPaths, Workspace
from pipeline.artifacts.records import EnsembleConfig, Receipt, RunConfig, read_record
from pipeline.artifacts.tables import read_history
from pipeline.board.runs import RunRow
from pipeline.errors import UserError
from pipeline.runs import (
    accuracy_if_validated,
    find_run,
    load_out_of_fold,
    load_run_digits,
    read_config,
)
from pipeline.scoring import Accuracy
from pipeline.settings import NUM_FOLDS, parse_settings


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
            preset=_join(config.preset for config in configs),
            model=_join(each.model for each in settings),
            augment=_join(each.augment for each in settings),
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


def _join(values: Iterable[str]) -> str:
    return "+".join(sorted(set(values)))


def _elapsed_s(runs: Sequence[RunPaths]) -> float:
    histories = (read_history(path) for run in runs for path in run.histories())
    return sum(epoch["elapsed_s"] for history in histories for epoch in history)
