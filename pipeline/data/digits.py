"""The digits of a competition as arrays, and the CSV files they come from."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.data.competition import Competition, to_type
from pipeline.data.csv_numbers import read_header, read_numbers
from pipeline.errors import UserError


@dataclass(frozen=True)
class Digits:
    """All images of a competition, in the order of the files."""

    train_images: npt.NDArray[np.uint8]  # (N, C, H, W)
    train_labels: npt.NDArray[np.uint8]  # (N,), 0..K-1
    test_images: npt.NDArray[np.uint8]  # (M, C, H, W); ids are 1..M

    def sha256(self) -> str:
        """Return the hexadecimal hash of the three arrays' bytes, in the order above."""
        digest = hashlib.sha256()
        for array in (self.train_images, self.train_labels, self.test_images):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


def read_train_csv(
    path: Path, competition: Competition, *, any_size: bool = False
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Return the images and labels of a file like `train.csv`: uint8 (N, C, H, W) and (N,).

    A file that is not exactly such a table raises a UserError that says where; so does one that is
    not of the competition's size, unless any size is allowed.
    """
    numbers = _read(path, competition, labelled=True, any_size=any_size)
    return _as_images(numbers[:, 1:], competition), np.ascontiguousarray(numbers[:, 0])


def read_test_csv(
    path: Path, competition: Competition, *, any_size: bool = False
) -> npt.NDArray[np.uint8]:
    """Return the images of a file like `test.csv`, uint8 (M, C, H, W), as `read_train_csv` does."""
    return _as_images(_read(path, competition, labelled=False, any_size=any_size), competition)


def refetch(competition: Competition) -> str:
    """Return what to do about a bad file of a competition, as the end of a sentence."""
    again = to_type("data", competition.slug, FORCE="1")
    return f"mend it or fetch the file again ({again})"


def _read(
    path: Path, competition: Competition, *, labelled: bool, any_size: bool
) -> npt.NDArray[np.uint8]:
    """The numbers in a file of images, (N, C·H·W), behind a column of labels if `labelled`."""
    mend = refetch(competition)
    pixels = dict.fromkeys(competition.pixel_columns, 255)
    with_label = {competition.label_column: competition.num_classes - 1} | pixels
    if read_header(path, mend=mend) == list(pixels if labelled else with_label):
        has, what = ("no", "test") if labelled else ("a", "training")
        right = competition.train_csv if labelled else competition.test_csv
        raise UserError(
            f"{path.name} has {has} column {competition.label_column}: it holds the {what} images; "
            f"put the competition's {right} in its place."
        )
    numbers = read_numbers(path, with_label if labelled else pixels, mend=mend)
    expected = competition.num_train if labelled else competition.num_test
    if len(numbers) != expected and not any_size:
        raise UserError(
            f"{path.name} has {len(numbers):,} rows, but {competition.slug} has {expected:,}; "
            f"fetch the whole file again ({to_type('data', competition.slug, FORCE='1')}), or say "
            "ANY_SIZE=1 if this size is meant."
        )
    return numbers


def _as_images(pixels: npt.NDArray[np.uint8], competition: Competition) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(pixels).reshape(-1, *competition.image_shape)
