"""Writes the competition's files by other means than the code under test."""

import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from pipeline.data.digits import Digits

PIXELS = [f"pixel{i}" for i in range(784)]


def csv_bytes(header: Iterable[object], rows: Iterable[Iterable[object]], newline="\r\n") -> bytes:
    lines = [",".join(map(str, row)) for row in (header, *rows)]
    return "".join(line + newline for line in lines).encode()


def train_rows(digits: Digits) -> list[list[int]]:
    flat = digits.train_images.reshape(len(digits.train_images), -1)
    return np.column_stack([digits.train_labels, flat]).tolist()


def unlabelled_rows(digits: Digits) -> list[list[int]]:
    return digits.test_images.reshape(len(digits.test_images), -1).tolist()


def write_competition(folder: Path, digits: Digits, newline="\r\n", sample=True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    train = csv_bytes(["label", *PIXELS], train_rows(digits), newline)
    (folder / "train.csv").write_bytes(train)
    (folder / "test.csv").write_bytes(csv_bytes(PIXELS, unlabelled_rows(digits), newline))
    if sample:
        ids = [[i + 1, 0] for i in range(len(digits.test_images))]
        file = folder / "sample_submission.csv"
        file.write_bytes(csv_bytes(["ImageId", "Label"], ids, newline))
    return folder


def write_zip(path: Path, folder: Path, prefix="", names: Iterable[str] | None = None) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            if names is None or file.name in names:
                archive.write(file, prefix + file.name)
    return path
