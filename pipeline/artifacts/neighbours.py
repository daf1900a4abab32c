"""`neighbours.npz`: the nearest images across the sets and folds; half a minute's work, kept."""

import numpy as np

from pipeline.artifacts.files import replacing
from pipeline.artifacts.paths import InputPaths
from pipeline.audit.data import Neighbours
from pipeline.audit.duplicates import Nearest


def save_neighbours(paths: InputPaths, neighbours: Neighbours, made_from: str) -> None:
    """Write the nearest images, whole or not at all.

    Args:
        paths: Where.
        neighbours: What was found.
        made_from: One text that names the images and folds.
    """
    with replacing(paths.neighbours) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            test_index=neighbours.test.index,
            test_distance=neighbours.test.distance,
            train_index=neighbours.train.index,
            train_distance=neighbours.train.distance,
            made_from=np.array(made_from),
        )


def load_neighbours(paths: InputPaths, made_from: str) -> Neighbours | None:
    """Read the nearest images; None if they were not looked for in these images and folds."""
    try:
        with paths.neighbours.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            if str(arrays["made_from"]) != made_from:
                return None
            return Neighbours(
                test=Nearest(arrays["test_index"], arrays["test_distance"]),
                train=Nearest(arrays["train_index"], arrays["train_distance"]),
            )
    except Exception:  # numpy and zipfile raise many kinds on a damaged file; it is a cache
        return None
