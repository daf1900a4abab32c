"""Compare finished runs, after making sure that they can be compared."""

import functools
from collections.abc import Collection

import numpy as np
import numpy.typing as npt

from pipeline.data.competition import get_competition
from pipeline.data.files import sha256
from pipeline.data.folds import read_folds
from pipeline.data.inputs import InputPaths
from pipeline.errors import UserError
from pipeline.judging.sides import Comparison, Side
from pipeline.runs.probs import Probs
from pipeline.runs.records import EnsembleConfig, RunConfig
from pipeline.runs.results import load_out_of_fold, load_run_digits, read_run
from pipeline.runs.spec import differences, specify_again
from pipeline.runs.workspace import Workspace
from pipeline.settings.fields import parse_settings

_Record = RunConfig | EnsembleConfig


def compare_runs(
    a: list[str], b: list[str], workspace: Workspace, *, folds: Collection[int] | None = None
) -> Comparison:
    """Pair two sides image by image, on the rows that all their runs were validated on.

    Args:
        a: The baseline: a run, or several that differ in the seed alone.
        b: The change, likewise.
        workspace: Where the runs are.
        folds: Count only what these of A's trainings held out; None: whatever there is.

    Raises:
        UserError: A run is missing or damaged, or they cannot be compared: one is named twice,
            a side's runs differ in more than the seed, competition, data or folds are not the
            same, or no row was held out by all of them.
    """
    names = [*a, *b]
    if not (a and b):
        raise UserError('name two sides, as in make compare A=base B=elastic or A="base-1 base-2".')
    if twice := {name for name in names if names.count(name) > 1}:
        raise UserError(f"run {min(twice)} is named twice; a run is no news beside itself.")
    records = {name: read_run(name, workspace) for name in names}
    first = records[names[0]]
    for name in names[1:]:
        _check_same_origin(first, records[name])
    for side in (a, b):
        _check_seeds([records[name] for name in side])
    inputs = workspace.input(get_competition(first.competition))
    labels = load_run_digits(first, workspace).train_labels
    _check_folds(first, inputs)
    row_folds = read_folds(inputs.folds, labels)
    probs = {name: load_out_of_fold(name, workspace) for name in names}
    trainings = row_folds // _num_valid_folds(first)
    counted = np.ones(len(labels), bool) if folds is None else np.isin(trainings, list(folds))
    rows = _common_rows(probs, np.flatnonzero(counted))

    def side_of(runs: list[str]) -> Side:
        return Side(
            runs=runs,
            probs=np.stack([_probs_of(probs[run], rows) for run in runs]),
            trainings=row_folds[rows] // _num_valid_folds(records[runs[0]]),
        )

    return Comparison(
        a=side_of(a),
        b=side_of(b),
        rows=rows,
        labels=labels[rows],
        changes=_changes(records[a[0]], records[b[0]]),
        num_train=len(labels),
        num_test=inputs.competition.num_test,
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


def _check_folds(record: _Record, inputs: InputPaths) -> None:
    """Refuse if the folds that lie there now are not those of the runs."""
    if not inputs.folds.exists() or sha256(inputs.folds) != record.folds_sha256:
        raise UserError(
            f"run {record.run} was made with another folds.csv than {inputs.folds}; bring it back "
            "or train the run again."
        )


def _check_seeds(records: list[_Record]) -> None:
    """Refuse runs of one side that are not the same training under different seeds."""
    if len(records) == 1:
        return
    configs = [record for record in records if isinstance(record, RunConfig)]
    if len(configs) < len(records):
        ensembles = [record.run for record in records if isinstance(record, EnsembleConfig)]
        raise UserError(f"run {ensembles[0]} is an ensemble; it must be alone on its side.")
    for other in configs[1:]:
        if changes := _beyond_the_seed(configs[0], other):
            raise UserError(
                f"runs {configs[0].run} and {other.run} stand on one side, but differ in more "
                f"than the seed: {'; '.join(changes)}."
            )
    seeds = [config.settings["seed"] for config in configs]
    if len(set(seeds)) < len(seeds):
        raise UserError(
            f"runs {' and '.join(config.run for config in configs)} stand on one side, but two of "
            "them have the same seed: they are one training, twice."
        )


def _common_rows(probs: dict[str, Probs], counted: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Those of the rows `counted` that every run was validated on, sorted."""
    rows = functools.reduce(np.intersect1d, [counted, *(each.ids for each in probs.values())])
    if len(rows) == 0:
        counts = ", ".join(f"{name} {len(each.ids):,}" for name, each in probs.items())
        raise UserError(
            f"no image was held out by all of these runs ({counts} images each); train the same "
            "folds of all of them, as in make train FOLDS=0,1."
        )
    return rows


def _num_valid_folds(record: _Record) -> int:
    """How many folds one training held out; of an ensemble's members, the least there can be."""
    if isinstance(record, EnsembleConfig):
        return 1
    source = f"the configuration of run {record.run}"
    return parse_settings(record.settings, source).num_valid_folds


def _probs_of(probs: Probs, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """The probabilities of these rows, in their order; all of them are there."""
    order = probs.ids.argsort()
    return probs.probs[order[np.searchsorted(probs.ids, rows, sorter=order)]]


def _changes(a: _Record, b: _Record) -> list[str]:
    """What B is other than A; the seed does not count."""
    if isinstance(a, RunConfig) and isinstance(b, RunConfig):
        return _beyond_the_seed(a, b)
    return [f"{a.title} → {b.title}"]


def _beyond_the_seed(config: RunConfig, other: RunConfig) -> list[str]:
    """What two runs train differently, a text each, but for the seed."""
    found = differences(specify_again(config), specify_again(other))
    return [text for text in found if not text.startswith("seed ")]
