"""The digits of a competition as arrays, and the CSV files they come from."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.data.competition import DEFAULT_COMPETITION, Competition, to_type
from pipeline.data.csv_numbers import read_header, read_names, read_numbers
from pipeline.data.pictures import read_pictures
from pipeline.errors import UserError

MOST_ROWS = 2**31 - 1
"""The highest id that a file may have."""


@dataclass(frozen=True)
class Digits:
    """All images of a competition, in the order of the files."""

    train_images: npt.NDArray[np.uint8]  # (N, C, H, W)
    train_labels: npt.NDArray[np.uint8]  # (N,), 0..K-1
    test_images: npt.NDArray[np.uint8]  # (M, C, H, W)

    def sha256(self) -> str:
        """Return the hexadecimal hash of the three arrays' bytes, in the order above."""
        digest = hashlib.sha256()
        for array in (self.train_images, self.train_labels, self.test_images):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


def read_train_file(
    path: Path, competition: Competition, *, any_size: bool = False
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Return the images and labels of a file like `train.csv`: uint8 (N, C, H, W) and (N,).

    A file that is not exactly such a table raises a UserError that says where; so does one that is
    not of the competition's size, unless any size is allowed.
    """
    if competition.labels_csv:
        return _read_labelled_pictures(path, competition, any_size)
    numbers = _read(path, competition, labelled=True, any_size=any_size)
    labels = to_classes(numbers[:, 0], path, competition.label_column, competition)
    return _as_images(numbers, competition), labels


def read_test_file(
    path: Path, competition: Competition, *, any_size: bool = False
) -> npt.NDArray[np.uint8]:
    """Return the images of a file like `test.csv`, uint8 (M, C, H, W), likewise."""
    if competition.labels_csv:
        expected = None if any_size else competition.num_test
        return read_pictures(path, competition, expected, mend=refetch(competition))
    numbers = _read(path, competition, labelled=False, any_size=any_size)
    if competition.test_starts_with == "id":
        check_ids(numbers[:, 0], path, competition)
    return _as_images(numbers, competition)


def refetch(competition: Competition) -> str:
    """Return what to do about a bad file of a competition, as the end of a sentence."""
    again = to_type("data", competition.slug, FORCE="1")
    if competition.slug == DEFAULT_COMPETITION or competition.made_here:
        return f"mend it or fetch the file again ({again})"
    described = f"pipeline/competitions/{competition.slug}.toml"
    return f"mend the file, fetch it again ({again}), or mend {described} if that is wrong"


def to_classes(
    written: npt.NDArray[np.integer], path: Path, column: str, competition: Competition
) -> npt.NDArray[np.uint8]:
    """Return the classes, uint8 (N,) of 0..K-1, of a column of labels as the files write them.

    A label that the competition does not have raises a UserError that says where in `path`.
    """
    known = competition.written_labels
    class_of = np.zeros(int(known.max()) + 1, np.uint8)
    class_of[known] = np.arange(len(known))
    classes: npt.NDArray[np.uint8] = class_of[written]
    wrong = np.flatnonzero(known[classes] != written)
    if len(wrong):
        row, listed = int(wrong[0]), ", ".join(map(str, known.tolist()))
        raise UserError(
            f"{path.name}, row {row + 1}, column {column}: expected one of {listed}, found "
            f"{written[row]}; {refetch(competition)}."
        )
    return classes


def check_ids(ids: npt.NDArray[np.integer], path: Path, competition: Competition) -> None:
    """Refuse a file whose ids, (M,), are not those of as many test images, in their order."""
    expected = competition.test_ids(len(ids))
    wrong = np.flatnonzero(ids != expected)
    if len(wrong):
        row = int(wrong[0])
        raise UserError(
            f"{path.name}, row {row + 1}: expected {competition.id_column} {expected[row]}, found "
            f"{ids[row]}; the ids must be {expected[0]} to {expected[-1]:,} in the order of "
            f"{competition.test_file}."
        )


def _read_labelled_pictures(
    path: Path, competition: Competition, any_size: bool
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """The pictures and classes of an archive and of the file of labels beside it, joined by id."""
    labels_file, mend = path.with_name(competition.labels_csv), refetch(competition)
    columns = competition.id_column, competition.prediction_column
    ids, classes = read_names(labels_file, columns, competition.class_names, mend=mend)
    expected = None if any_size else competition.num_train
    images = read_pictures(path, competition, expected, mend=mend)
    order = np.argsort(ids, kind="stable")
    if not np.array_equal(ids[order], competition.test_ids(len(images))):
        raise UserError(
            f"{labels_file.name} has {len(ids):,} rows, where each of the {len(images):,} pictures "
            f"of {path.name} must come once; {mend}."
        )
    return images, classes[order].astype(np.uint8)


def _read(
    path: Path, competition: Competition, *, labelled: bool, any_size: bool
) -> npt.NDArray[np.uint8]:
    """The numbers in a file of images, (N, C·H·W), perhaps behind a column of labels or ids."""
    mend, header = refetch(competition), competition.header
    pixels = dict.fromkeys(competition.pixel_columns, 255)
    train = {competition.label_column: int(competition.written_labels.max())} | pixels
    test = {
        "pixels": pixels,
        "label": train,
        "id": {competition.id_column: MOST_ROWS} | pixels,
    }[competition.test_starts_with]
    own, other = (train, test) if labelled else (test, train)
    if header and own.keys() != other.keys() and read_header(path, mend=mend) == list(other):
        has, what = ("no", "test") if labelled else ("a", "training")
        right = competition.train_file if labelled else competition.test_file
        raise UserError(
            f"{path.name} has {has} column {competition.label_column}: it holds the {what} images; "
            f"put the competition's {right} in its place."
        )
    numbers = read_numbers(path, own, mend=mend, header=header)
    expected = competition.num_train if labelled else competition.num_test
    if len(numbers) != expected and not any_size:
        raise UserError(
            f"{path.name} has {len(numbers):,} rows, but {competition.slug} has {expected:,}; "
            f"fetch the whole file again ({to_type('data', competition.slug, FORCE='1')}), or say "
            "ANY_SIZE=1 if this size is meant."
        )
    return numbers


def _as_images(numbers: npt.NDArray[Any], competition: Competition) -> npt.NDArray[np.uint8]:
    """The last C·H·W columns as images."""
    channels, height, width = competition.image_shape
    pixels = np.ascontiguousarray(numbers[:, -competition.num_pixels :], np.uint8)
    if competition.transposed:
        columns_first = pixels.reshape(-1, channels, width, height)
        return np.ascontiguousarray(columns_first.swapaxes(2, 3))
    return pixels.reshape(-1, *competition.image_shape)
