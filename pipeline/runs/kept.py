"""What a network predicted when it was trained, compared before it predicts again."""

import numpy as np
import numpy.typing as npt

from pipeline.runs.probs import Probs, load_probs
from pipeline.runs.workspace import FoldPaths

NUM_KEPT = 64
"""Images compared: the first that a fold held out; of all data the first of `train.csv`."""

MOST_APART = 0.02
"""How far `apart` two predictions of the same network may be: four times what rounding makes.

Rounding made at most 0.0048, one ReLU that became a sigmoid at least 0.40, all ReLUs that became
GELUs 0.056, pixels scaled by 5 % 0.031; see README.md for what was measured.
"""


def load_kept(paths: FoldPaths) -> Probs:
    """Return what a finished fold's network predicted of some training images, by row.

    Of a training on all data that was made before this was kept, they are none.
    """
    kept = load_probs(paths.oof)
    if not len(kept.ids) and paths.kept.exists():
        kept = load_probs(paths.kept)
    return Probs(kept.ids[:NUM_KEPT], kept.probs[:NUM_KEPT], kept.made_from)


def apart(probs: npt.NDArray[np.float32], kept: npt.NDArray[np.float32]) -> float:
    """Return how far apart two predictions of the same images are, (N, K); 0 if they are equal.

    It is the root mean square of the differences of their logits over that of the kept logits, both
    without an image's mean, which makes no difference to its classes.
    """
    mine, theirs = (np.log(np.maximum(each.astype(np.float64), 1e-30)) for each in (probs, kept))
    mine, theirs = (each - each.mean(axis=1, keepdims=True) for each in (mine, theirs))
    return float(np.sqrt(((mine - theirs) ** 2).mean() / (theirs**2).mean()))
