"""Finished runs as training leaves them, with predictions of our choice and no training."""

import numpy as np

from pipeline.artifacts.digits_cache import load_digits, load_manifest
from pipeline.artifacts.files import sha256
from pipeline.artifacts.paths import Workspace
from pipeline.artifacts.probs import Probs, save_probs
from pipeline.artifacts.records import RunConfig, write_record
from pipeline.artifacts.tables import read_folds
from tests import tiny


def validated_rows(workspace: Workspace, folds: list[int]) -> np.ndarray:
    """The rows of some folds, sorted."""
    inputs = workspace.input(tiny.COMPETITION)
    row_folds = read_folds(inputs.folds, load_digits(inputs).train_labels)
    return np.flatnonzero(np.isin(row_folds, folds))


def write_run(
    workspace: Workspace,
    name: str,
    *,
    wrong: list[int] | tuple[int, ...] = (),
    folds: tuple[int, ...] = (0, 1),
    record: dict[str, str] | None = None,
    **settings: object,
) -> None:
    """Write a run that is certain of every label but those of the rows `wrong`.

    Args:
        workspace: Where to.
        name: The run's name.
        wrong: Rows on which it says the next class, with 60 %.
        folds: What it was validated on.
        record: Fields of its configuration that are to be others than those of the data here.
        settings: What differs from `tiny.spec`.
    """
    spec = tiny.spec(workspace, name, **settings)
    inputs = workspace.input(tiny.COMPETITION)
    config = RunConfig(
        run=name,
        preset=spec.preset,
        code_version="0",
        digits_sha256=load_manifest(inputs).digits_sha256,
        folds_sha256=sha256(inputs.folds),
        libraries={},
        settings=spec.settings.model_dump(),
        recipe=spec.recipe,
    )
    write_record(workspace.run(name).config, config.model_copy(update=record or {}))
    rows = validated_rows(workspace, list(folds))
    labels = load_digits(inputs).train_labels[rows].astype(int)
    probs = np.full((len(rows), 10), 0.01, np.float32)
    probs[np.arange(len(rows)), labels] = 0.91
    mistaken = np.isin(rows, wrong)
    assert mistaken.sum() == len(set(wrong)), "a row is not among those validated"
    probs[mistaken] = 0.0
    probs[mistaken, labels[mistaken]] = 0.4
    probs[mistaken, (labels[mistaken] + 1) % 10] = 0.6
    shuffled = np.random.default_rng(0).permutation(len(rows))  # rows are joined by id
    save_probs(workspace.run(name).oof, Probs(rows[shuffled], probs[shuffled]))
