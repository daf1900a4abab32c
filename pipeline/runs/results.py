"""What is there: a run by its name, its digits, its probabilities, its accuracy."""

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from pipeline.data.competition import get_competition
from pipeline.data.digits import Digits
from pipeline.data.digits_cache import load_digits, load_training_images
from pipeline.data.files import read_record, sha256
from pipeline.data.inputs import InputPaths
from pipeline.data.manifest import load_manifest
from pipeline.errors import UserError
from pipeline.runs.history import read_history
from pipeline.runs.probs import Probs, load_probs
from pipeline.runs.records import EnsembleConfig, EnsembleMember, RunConfig
from pipeline.runs.scoring import Accuracy, count_correct
from pipeline.runs.spec import EnsembleSpec
from pipeline.runs.weights import read_network_facts
from pipeline.runs.workspace import FoldPaths, RunPaths, Workspace, to_remake

RETRAIN = "delete it and run `make train` with the knobs that the run was made with"
"""What to do about the damaged record of a run."""


def read_run(run: str, workspace: Workspace) -> RunConfig | EnsembleConfig:
    """Return what a run is, one training or the mean of others; a UserError if there is none.

    Both kinds know their `competition`, `digits_sha256`, `folds_sha256` and a `title` for people,
    and leave the same `oof.npz` and `test.npz`.
    """
    record = find_run(run, workspace)
    if record is None:
        raise UserError(
            f"there is no run {run}; train it first: `make train RUN={run}` with its knobs."
        )
    return record


def find_run(run: str, workspace: Workspace) -> RunConfig | EnsembleConfig | None:
    """Return what `read_run` does, or None if there is no such run."""
    paths = workspace.run(run)
    if paths.config.exists():
        return read_record(paths.config, RunConfig, mend=RETRAIN)
    if paths.ensemble.exists():
        mend = f'delete it and run `make ensemble RUN={run}` with its RUNS="…"'
        return read_record(paths.ensemble, EnsembleConfig, mend=mend)
    return None


def read_config(run: str, workspace: Workspace) -> RunConfig:
    """Return what `read_run` does, but refuse an ensemble."""
    record = read_run(run, workspace)
    if isinstance(record, EnsembleConfig):
        members = " ".join(record.member_names)
        raise UserError(f"run {run} is an ensemble; name its members instead: {members}.")
    return record


def load_run_digits(record: RunConfig | EnsembleConfig, workspace: Workspace) -> Digits:
    """Return the digits, which must still be those that a run was trained on."""
    return load_digits(_unchanged_inputs(record, workspace))


def load_run_training_images(
    record: RunConfig | EnsembleConfig, workspace: Workspace
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Return images, uint8 (N, C, H, W), and labels, (N,), likewise, without the test images."""
    return load_training_images(_unchanged_inputs(record, workspace))


def _unchanged_inputs(record: RunConfig | EnsembleConfig, workspace: Workspace) -> InputPaths:
    inputs = workspace.input(get_competition(record.competition))
    if load_manifest(inputs).digits_sha256 != record.digits_sha256:
        raise UserError(
            f"run {record.run} was trained on other data than {inputs.folder} holds now; "
            "train a new run."
        )
    return inputs


def join_out_of_fold(paths: RunPaths) -> Probs:
    """Return the validation probabilities of all finished folds of a run, at least one, by row.

    Two folds that validated the same row raise a UserError.
    """
    parts = [load_probs(paths.fold(fold).oof) for fold in paths.finished_folds()]
    rows = np.concatenate([part.ids for part in parts])
    if len(np.unique(rows)) < len(rows):
        raise UserError(
            f"{paths.folder} has folds that validated the same rows; start the run again: "
            f"`make train RUN={paths.folder.name} FORCE=1`."
        )
    probs = np.concatenate([part.probs for part in parts])
    return Probs(rows, probs, hash_texts(part.made_from for part in parts)).sorted_by_id()


def load_out_of_fold(run: str, workspace: Workspace, *, may_be_empty: bool = False) -> Probs:
    """Return the out-of-fold probabilities of a run or an ensemble, sorted by row of `train.csv`.

    A run of which nothing is finished raises a UserError; so does one trained on all data, which
    has probabilities of no row, unless that is allowed.
    """
    try:
        probs = load_probs(workspace.run(run).oof)
    except FileNotFoundError:
        raise UserError(
            f"run {run} has no out-of-fold probabilities; train it first: `make train RUN={run}`."
        ) from None
    if not (len(probs.ids) or may_be_empty):
        raise UserError(
            f"run {run} was trained on all rows and so was validated on none; this needs a run "
            "of folds: `make cv`."
        )
    return probs


def accuracy_if_validated(out_of_fold: Probs, labels: npt.NDArray[np.integer]) -> Accuracy | None:
    """Return the accuracy over the rows that a run was validated on; None if it was on none.

    The labels are those of all rows of `train.csv`; rows beyond them raise a UserError.
    """
    rows = out_of_fold.ids
    if not len(rows):
        return None
    if rows.min() < 0 or rows.max() >= len(labels):
        raise UserError("the run was validated on rows that the training data do not have.")
    return count_correct(out_of_fold.probs, labels[rows])


def check_fold(paths: FoldPaths) -> str:
    """Return the mark of the training that a finished fold's files come from, all of them whole.

    A missing one raises a FileNotFoundError, a damaged one or one of another training a UserError.
    """
    mark = load_probs(paths.oof).made_from
    read_history(paths.history)
    if read_network_facts(paths.weights).get("fingerprint") != mark:
        raise UserError(
            f"{paths.folder} holds weights and probabilities of different trainings; run "
            f"{to_remake(paths.weights)}."
        )
    return mark


def is_current(spec: EnsembleSpec, workspace: Workspace) -> bool:
    """Say whether an ensemble's probabilities are those of its members as they are now.

    A damaged record of the ensemble raises a UserError.
    """
    paths, record = workspace.run(spec.name), find_run(spec.name, workspace)
    if not isinstance(record, EnsembleConfig):
        return False
    if set(record.member_names) != {member.name for member in spec.members}:
        return False
    try:
        for file in (paths.oof, paths.test_probs):
            load_probs(file)
    except (FileNotFoundError, UserError):  # averaged anew with little effort
        return False
    return all(is_unchanged(member, workspace) for member in record.members)


def is_unchanged(member: EnsembleMember, workspace: Workspace) -> bool:
    """Say whether an ensemble's member is there as it was when it was averaged."""
    paths = workspace.run(member.run)
    files = [(paths.oof, member.oof_sha256), (paths.test_probs, member.test_sha256)]
    return all(
        file.exists() and sha256(file) == known for file, known in files if known is not None
    )


def name_networks(paths: RunPaths, folds: Sequence[int], digits_sha256: str) -> str:
    """Return a text that changes with any of a run's networks or with the test images.

    It marks the probabilities that these networks predict.
    """
    weights = [f"{fold}:{sha256(paths.fold(fold).weights)}" for fold in folds]
    return hash_texts([digits_sha256, *weights])


def hash_texts(texts: Iterable[str]) -> str:
    """Return the hexadecimal SHA-256 of texts in their order."""
    return hashlib.sha256("/".join(texts).encode()).hexdigest()
