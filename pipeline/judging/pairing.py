"""Two sides of finished runs, after making sure that they can be compared."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce

import numpy as np
import numpy.typing as npt

from pipeline.data.competition import get_competition
from pipeline.data.files import sha256
from pipeline.data.folds import read_folds
from pipeline.errors import UserError
from pipeline.judging.difference import Difference, Outcomes, measure_difference
from pipeline.runs.records import EnsembleConfig, RunConfig
from pipeline.runs.results import load_out_of_fold, load_run_training_images, read_run
from pipeline.runs.spec import differences, specify_again
from pipeline.runs.workspace import Workspace

_Record = RunConfig | EnsembleConfig


@dataclass(frozen=True)
class Side:
    """One run or more that differ in the seed alone, on the images both sides were validated on."""

    runs: list[str]
    probs: npt.NDArray[np.float32]
    """(S, N, K), a run each."""
    trainings: npt.NDArray[np.integer]
    """(N,): which of a run's trainings held the image out."""

    @property
    def mean_probs(self) -> npt.NDArray[np.float32]:
        """Mean over the seeds, float32 (N, K)."""
        mean: npt.NDArray[np.float32] = self.probs.mean(axis=0)
        return mean


@dataclass(frozen=True)
class Comparison:
    """Two sides, baseline and change, on the same N validation images."""

    a: Side
    b: Side
    rows: npt.NDArray[np.int64]
    """The images' rows in `train.csv`, (N,), rising."""
    labels: npt.NDArray[np.integer]
    """(N,)."""
    changes: list[str]
    """What B trains differently from A, a text each."""
    num_train: int
    """Rows of `train.csv`."""
    num_test: int
    """Images of the leaderboard."""

    @cached_property
    def difference(self) -> Difference:
        """How much better B is, and how sure that is."""
        return measure_difference(self._outcomes(self.a), self._outcomes(self.b))

    def _outcomes(self, side: Side) -> Outcomes:
        return Outcomes(side.probs.argmax(axis=2) == self.labels, side.trainings)


def compare_runs(
    a: list[str],
    b: list[str],
    workspace: Workspace,
    *,
    folds: Collection[int] | None = None,
    beside: Sequence[str] = (),
) -> Comparison:
    """Pair two sides image by image, on the rows that all their runs were validated on.

    Each side, the baseline and the change, is a run, or several that differ in the seed alone. Only
    what these `folds` of A's trainings held out is counted; without them, whatever there is. With
    runs `beside` them, what is compared is each side's mean with these, as members of an ensemble.

    Raises:
        UserError: A run is missing or damaged, or they cannot be compared: one is named twice,
            a side's runs differ in more than the seed, competition, data or folds are not the
            same, or no row was held out by all of them.
    """
    names = [*a, *b, *beside]
    if not (a and b):
        raise UserError('name two sides, as in make compare A=base B=elastic or A="base-1 base-2".')
    if twice := {name for name in names if names.count(name) > 1}:
        raise UserError(f"run {min(twice)} is named twice; a run is no news beside itself.")
    records = {name: read_run(name, workspace) for name in names}
    first_a, first_b = records[a[0]], records[b[0]]
    for name in names[1:]:
        _check_same_origin(first_a, records[name])
    for side in (a, b):
        _check_seeds([records[name] for name in side])
    inputs = workspace.input(get_competition(first_a.competition))
    _, labels = load_run_training_images(first_a, workspace)
    if not inputs.folds.exists() or sha256(inputs.folds) != first_a.folds_sha256:
        raise UserError(
            f"run {first_a.run} was made with another folds.csv than {inputs.folds}; bring it back "
            "or train the run again."
        )
    row_folds = read_folds(inputs.folds, labels)
    probs = {name: load_out_of_fold(name, workspace).sorted_by_id() for name in names}
    rows = np.arange(len(labels))
    if folds is not None:
        rows = rows[np.isin(row_folds // _num_valid_folds(first_a), list(folds))]
    rows = reduce(np.intersect1d, [rows, *(each.ids for each in probs.values())])
    if len(rows) == 0:
        counts = ", ".join(f"{name} {len(each.ids):,}" for name, each in probs.items())
        raise UserError(
            f"no image was held out by all of these runs ({counts} images each); train the same "
            "folds of all of them, as in make train FOLDS=0,1."
        )

    counted = {name: each.probs[np.searchsorted(each.ids, rows)] for name, each in probs.items()}

    def side_of(runs: list[str]) -> Side:
        found = [np.mean([counted[each] for each in (run, *beside)], axis=0) for run in runs]
        trainings = row_folds[rows] // _num_valid_folds(records[runs[0]])
        return Side(runs=runs, probs=np.stack(found), trainings=trainings)

    if isinstance(first_a, RunConfig) and isinstance(first_b, RunConfig):
        changes = _beyond_the_seed(first_a, first_b)
    else:
        changes = [f"{first_a.title} → {first_b.title}"]
    return Comparison(
        a=side_of(a),
        b=side_of(b),
        rows=rows,
        labels=labels[rows],
        changes=changes,
        num_train=len(labels),
        num_test=inputs.competition.count_scored(inputs.competition.num_test),
    )


def _check_same_origin(first: _Record, other: _Record) -> None:
    """Refuse runs of two competitions, of other digits or of other folds."""
    if first.competition != other.competition:
        raise UserError(
            f"run {first.run} belongs to COMPETITION={first.competition}, run {other.run} to "
            f"{other.competition}; only runs of one competition can be compared."
        )
    if first.digits_sha256 != other.digits_sha256:
        raise UserError(
            f"runs {first.run} and {other.run} were trained on different data; train one of them "
            "again on the data of the other."
        )
    if first.folds_sha256 != other.folds_sha256:
        raise UserError(
            f"runs {first.run} and {other.run} were made with different folds.csv, so each may "
            "have been trained on what the other was validated on; train one of them again."
        )


def _check_seeds(records: list[_Record]) -> None:
    """Refuse runs of one side that are not the same training under different seeds."""
    if len(records) == 1:
        return
    configs = [record for record in records if isinstance(record, RunConfig)]
    if ensembles := [record.run for record in records if isinstance(record, EnsembleConfig)]:
        raise UserError(f"run {ensembles[0]} is an ensemble; it must be alone on its side.")
    for other in configs[1:]:
        if changes := _beyond_the_seed(configs[0], other):
            raise UserError(
                f"runs {configs[0].run} and {other.run} stand on one side, but differ in more "
                f"than the seed: {'; '.join(changes)}."
            )
    if len({config.settings["seed"] for config in configs}) < len(configs):
        raise UserError(
            f"runs {' and '.join(config.run for config in configs)} stand on one side, but two of "
            "them have the same seed: they are one training, twice."
        )


def _num_valid_folds(record: _Record) -> int:
    """How many folds one training held out; of an ensemble's members, the least there can be."""
    if isinstance(record, EnsembleConfig):
        return 1
    return specify_again(record).settings.num_valid_folds


def _beyond_the_seed(config: RunConfig, other: RunConfig) -> list[str]:
    """What two runs train differently, a text each, but for the seed."""
    found = differences(specify_again(config), specify_again(other))
    return [text for text in found if not text.startswith("seed ")]
