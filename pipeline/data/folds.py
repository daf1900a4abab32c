"""The split: ten stratified folds, a pure function of (labels, seed), and `folds.csv`."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.data.competition import to_type
from pipeline.data.files import replacing
from pipeline.data.randomness import derive_seed
from pipeline.errors import UserError

NUM_FOLDS = 10
"""Folds of the split; a validation share is a whole number of them."""

ALL_DATA = -1
"""Number of the training that holds nothing out; the others are numbered from 0."""


def assign_folds(labels: npt.NDArray[np.integer], seed: int) -> npt.NDArray[np.int64]:
    """Return each image's fold, int64 (N,), in 0..9.

    Every class, of which there are at least ten labels (N,), is spread over the folds as evenly as
    whole images allow (scikit-learn's StratifiedKFold).
    """
    from sklearn.model_selection import StratifiedKFold

    # numpy's legacy generator, which scikit-learn uses, takes 32 bits.
    splitter = StratifiedKFold(
        NUM_FOLDS, shuffle=True, random_state=derive_seed(seed, "folds") % 2**32
    )
    folds = np.empty(len(labels), dtype=np.int64)
    for fold, (_, held_out) in enumerate(splitter.split(np.zeros(len(labels)), labels)):
        folds[held_out] = fold
    return folds


_FOLDS_HEADER = "row,label,fold"


def write_folds(path: Path, labels: npt.NDArray[np.integer], folds: npt.NDArray[np.int64]) -> None:
    """Write `folds.csv`: each training row with its label and fold, both (N,)."""
    table = np.column_stack([np.arange(len(labels)), labels, folds])
    with replacing(path) as temporary:
        np.savetxt(temporary, table, fmt="%d", delimiter=",", header=_FOLDS_HEADER, comments="")


def read_folds(path: Path, labels: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """Return each training image's fold, int64 (N,), joined by row.

    A file that is missing, damaged or made of other labels than these, (N,), raises a UserError.
    """
    remake = f"run {to_type('split', path.parent.name)}"  # the folder has the competition's name
    try:
        with path.open(encoding="utf-8") as file:
            if file.readline().strip() != _FOLDS_HEADER:
                raise ValueError(f"the header is not {_FOLDS_HEADER}")
            table = np.loadtxt(file, delimiter=",", dtype=np.int64, ndmin=2)
        rows, row_labels, row_folds = table.T
    except FileNotFoundError:
        raise UserError(f"{path} is missing; {remake}.") from None
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}); {remake}.") from None
    if not np.array_equal(np.sort(rows), np.arange(len(labels))) or not np.array_equal(
        row_labels, labels[rows]
    ):
        raise UserError(f"{path} was made from other labels than the data have; {remake}.")
    folds = np.empty(len(labels), dtype=np.int64)
    folds[rows] = row_folds
    return folds
