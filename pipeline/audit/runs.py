"""Whether a run's files say the truth about each other."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from pipeline.artifacts.probs import Probs
from pipeline.audit.checks import Check
from pipeline.settings import Settings


def check_held_out(
    claimed: Mapping[int, npt.NDArray[np.int64]],
    row_folds: npt.NDArray[np.integer],
    settings: Settings,
) -> Check:
    """Look whether each training is scored on the rows it held out, on all of them and no others.

    A row too many was trained on; a row too few may have been left out because it was wrong.

    Args:
        claimed: For each finished training, the rows that it is scored on.
        row_folds: (N,), the fold of each row of `train.csv`.
        settings: Of the run; they say which folds a training held out.
    """
    subject = "validation rows"
    for fold, rows in claimed.items():
        held_out = np.flatnonzero(np.isin(row_folds, settings.held_out(fold)))
        name = f"fold {fold}" if held_out.size else "the training on all data"
        if (seen := np.setdiff1d(rows, held_out)).size:
            text = f"{seen.size:,} of the {rows.size:,} rows that score {name} were trained on"
            return Check(subject, f"{text} (the first is row {seen[0]})", passed=False)
        if (missing := np.setdiff1d(held_out, rows)).size:
            text = f"{missing.size:,} of the {held_out.size:,} rows that {name} held out"
            return Check(subject, f"{text} are left out of its score", passed=False)
        if rows.size > held_out.size:
            return Check(subject, f"{name} is scored on some rows twice", passed=False)
    number = sum(rows.size for rows in claimed.values())
    if not number:
        return Check(subject, "none, so no accuracy is claimed")
    return Check(subject, f"{number:,}, each held out from the training it scores")


def check_mean(whole: Probs, parts: Sequence[Probs], what: str) -> Check:
    """Look whether probabilities are the mean of their parts'.

    Args:
        whole: Sorted by id.
        parts: Of the same images, sorted by id.
        what: What they are, for the text.
    """
    if any(not np.array_equal(part.ids, whole.ids) for part in parts):
        return Check("ensemble", f"its {what} are of other images than its members'", passed=False)
    mean = np.mean([part.probs.astype(np.float64) for part in parts], axis=0)
    # float32 keeps seven digits of a probability.
    if not np.allclose(whole.probs, mean, rtol=0, atol=1e-6):
        return Check("ensemble", f"its {what} are not the mean of its members'", passed=False)
    return Check("ensemble", f"its {what} are the mean of its {len(parts)} members'")


def check_predictions(
    ids: npt.NDArray[np.int64], labels: npt.NDArray[np.integer], test: Probs
) -> Check:
    """Look whether a submission is what the run predicts.

    Args:
        ids: (M,), of the submission.
        labels: (M,), its predicted classes.
        test: The run's probabilities of the test images.
    """
    own = dict(zip(test.ids.tolist(), test.probs.argmax(axis=1).tolist(), strict=True))
    pairs = zip(ids.tolist(), labels.tolist(), strict=True)
    different = sum(own.get(image) != label for image, label in pairs)
    if different or len(own) != len(ids):
        text = f"{different:,} of {len(ids):,} predictions are not the run's own"
        return Check("submission", text, passed=False)
    return Check("submission", f"all {len(ids):,} predictions are the run's own")
