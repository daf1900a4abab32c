"""Class probabilities by id: `oof.npz` of a fold or a run, `test.npz` of a run."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.data.files import replacing
from pipeline.runs.workspace import damaged


@dataclass(frozen=True)
class Probs:
    """Probabilities of images: of training images by row from 0, of test images by `ImageId`."""

    ids: npt.NDArray[np.int64]  # (N,), unique
    probs: npt.NDArray[np.float32]  # (N, K), each row sums to 1
    made_from: str = ""  # names what they were computed from, to tell whether they are current

    def sorted_by_id(self) -> "Probs":
        """Return the same, in the order of the ids."""
        order = self.ids.argsort()
        return Probs(self.ids[order], self.probs[order], self.made_from)


def save_probs(path: Path, probs: Probs) -> None:
    """Write probabilities, whole or not at all."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, ids=probs.ids, probs=probs.probs, made_from=np.array(probs.made_from))


def load_probs(path: Path) -> Probs:
    """Read probabilities; nothing in the file is ever executed.

    A missing file raises a FileNotFoundError, a damaged one a UserError.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return Probs(arrays["ids"], arrays["probs"], str(arrays["made_from"]))
    except FileNotFoundError:
        raise
    except Exception as error:  # numpy and zipfile raise many kinds on a damaged file
        raise damaged(path, error) from None
