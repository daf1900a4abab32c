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
    """All images of a competition.

    Attributes:
        train_images: uint8 (N, C, H, W), in the order of `train.csv`.
        train_labels: uint8 (N,), 0..K-1.
        test_images: uint8 (M, C, H, W), in the order of `test.csv`; ids are 1..M.
    """

    train_images: npt.NDArray[np.uint8]
    train_labels: npt.NDArray[np.uint8]
    test_images: npt.NDArray[np.uint8]

    def sha256(self) -> str:
        """Return the hexadecimal hash of the three arrays' bytes, in the order above."""
        digest = hashlib.sha256()
        for array in (self.train_images, self.train_labels, self.test_images):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


def read_train_csv(
    path: Path, competition: Competition, *, any_size: bool = False
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Read and check the labelled images.

    Args:
        path: A file of the form of `train.csv`.
        competition: Decides the columns, the labels and the number of rows.
        any_size: Accept any number of rows.

    Returns:
        Images uint8 (N, C, H, W) and labels uint8 (N,) in 0..K-1.

    Raises:
        UserError: The file is not exactly such a table; the message says where.
    """
    mend = refetch(competition)
    if read_header(path, mend=mend) == competition.pixel_columns:
        raise UserError(
            f"{path.name} has no column {competition.label_column}: it holds the test images; "
            f"put the competition's {competition.train_csv} in its place."
        )
    columns = {competition.label_column: competition.num_classes - 1} | _pixels(competition)
    numbers = read_numbers(path, columns, mend=mend)
    _check_num_rows(path, len(numbers), competition.num_train, competition, any_size)
    return _as_images(numbers[:, 1:], competition), np.ascontiguousarray(numbers[:, 0])


def read_test_csv(
    path: Path, competition: Competition, *, any_size: bool = False
) -> npt.NDArray[np.uint8]:
    """Read and check the unlabelled images.

    Args:
        path: A file of the form of `test.csv`.
        competition: Decides the columns and the number of rows.
        any_size: Accept any number of rows.

    Returns:
        Images uint8 (M, C, H, W); image i has the id i + 1.

    Raises:
        UserError: The file is not exactly such a table; the message says where.
    """
    mend = refetch(competition)
    if read_header(path, mend=mend) == [competition.label_column, *competition.pixel_columns]:
        raise UserError(
            f"{path.name} has a column {competition.label_column}: it holds the training images; "
            f"put the competition's {competition.test_csv} in its place."
        )
    numbers = read_numbers(path, _pixels(competition), mend=mend)
    _check_num_rows(path, len(numbers), competition.num_test, competition, any_size)
    return _as_images(numbers, competition)


def refetch(competition: Competition) -> str:
    """Return what to do about a bad file of a competition, as the end of a sentence."""
    again = to_type("data", competition.slug, FORCE="1")
    return f"mend it or fetch the file again ({again})"


def _pixels(competition: Competition) -> dict[str, int]:
    return dict.fromkeys(competition.pixel_columns, 255)


def _as_images(pixels: npt.NDArray[np.uint8], competition: Competition) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(pixels).reshape(-1, *competition.image_shape)


def _check_num_rows(
    path: Path, found: int, expected: int, competition: Competition, any_size: bool
) -> None:
    if found != expected and not any_size:
        raise UserError(
            f"{path.name} has {found:,} rows, but {competition.slug} has {expected:,}; fetch the "
            f"whole file again ({to_type('data', competition.slug, FORCE='1')}), or say ANY_SIZE=1 "
            "if this size is meant."
        )
