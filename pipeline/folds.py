"""Stratified folds, a pure function of (labels, seed)."""

import numpy as np
import numpy.typing as npt

from pipeline.randomness import derive_seed
from pipeline.settings import NUM_FOLDS


def assign_folds(labels: npt.NDArray[np.integer], seed: int) -> npt.NDArray[np.int64]:
    """Return each image's fold, int64 (N,), in 0..9.

    Every class is spread over the folds as evenly as whole images allow
    (scikit-learn's StratifiedKFold).

    Args:
        labels: (N,), every class at least ten times.
        seed: Of the shuffle within each class.
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
