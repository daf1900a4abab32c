"""Competitions described by a TOML file: every layout is read as meant, every slip is told."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.commands.data import Data
from pipeline.commands.predict import Predict
from pipeline.commands.split import Split
from pipeline.commands.submit import Submit
from pipeline.commands.train import Train
from pipeline.console import Silent
from pipeline.data import competition
from pipeline.data.competition import competition_names, get_competition
from pipeline.data.digits_cache import load_digits
from pipeline.errors import UserError
from tests.data.csv_files import csv_bytes, write_zip

PAGE = (competition.FOLDER / "README.md").read_text()
PIXELS_FROM_1 = [f"pixel{i}" for i in range(1, 785)]

# Training and test file, what stands before the pixels in each, the columns of pixels (none: no
# header), how the files write the classes, and the header and first id of the submission.
LAYOUTS = {
    "Kannada-MNIST": (
        *("train.csv", "test.csv", "label", "id", [f"pixel{i}" for i in range(784)]),
        *(range(10), "id,label", 0),
    ),
    "fashion-mnist": (
        *("fashion-mnist_train.csv", "fashion-mnist_test.csv", "label", "label", PIXELS_FROM_1),
        *(range(10), "ImageId,Label", 1),
    ),
    "sign-language-mnist": (
        *("sign_mnist_train.csv", "sign_mnist_test.csv", "label", "label", PIXELS_FROM_1),
        *([*range(9), *range(10, 25)], "ImageId,Label", 1),
    ),
    "emnist-letters": (
        *("emnist-letters-train.csv", "emnist-letters-test.csv", "label", "label", []),
        *(range(1, 27), "ImageId,Label", 1),
    ),
    "shapes": (
        *("shapes_train.csv", "shapes_test.csv", "shape", "shape"),
        [f"{row}x{column}" for row in range(1, 33) for column in range(1, 25)],
        *([1, 2, 4], "id,shape", 0),
    ),
}
KNOBS = {"model": "plain_cnn", "augment": "none", "epochs": "1", "device": "cpu", "run": "R"}


@pytest.fixture(autouse=True)
def shapes(tmp_path, monkeypatch) -> Path:
    """The competition of the page, beside those that are there."""
    folder = tmp_path / "competitions"
    folder.mkdir()
    for file in competition.FOLDER.glob("*.toml"):
        (folder / file.name).write_bytes(file.read_bytes())
    file = folder / "shapes.toml"
    file.write_text(re.search("```toml\n(.*?)```", PAGE, re.S)[1])
    monkeypatch.setattr(competition, "FOLDER", folder)
    return file


def write_layout(
    folder: Path, name: str, harm: Callable[[list], object] = lambda rows: None
) -> tuple[np.ndarray, np.ndarray]:
    """A competition's files, the training file harmed; the images of both and their classes."""
    train, test, before_train, before_test, pixels, labels, _, first_id = LAYOUTS[name]
    random = np.random.default_rng(0)
    classes = np.arange(10 * len(labels)) % len(labels)
    shape = (1, 32, 24) if name == "shapes" else (1, 28, 28)
    images = random.integers(0, 256, (len(classes), *shape), np.uint8)
    served = images.swapaxes(2, 3) if name == "emnist-letters" else images
    starts = {"id": np.arange(len(images)) + first_id, before_train: np.array(labels)[classes]}
    folder.mkdir()
    for file, before in ((train, before_train), (test, before_test)):
        rows = np.column_stack([starts[before], served.reshape(len(images), -1)]).tolist()
        rows = [[before, *pixels], *rows] if pixels else rows
        if file == train:
            harm(rows)
        (folder / file).write_bytes(csv_bytes(rows[0], rows[1:]))
    return images, classes


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_whole_way(workspace, tmp_path, lines, name):
    images, classes = write_layout(tmp_path / "files", name)
    archive = write_zip(tmp_path / "files.zip", tmp_path / "files", "folder/")
    Data(competition=name, zip=str(archive), any_size=True)(workspace, lines)
    Split(competition=name)(workspace, lines)
    digits = load_digits(workspace.input(get_competition(name)))
    assert (digits.train_images == images).all() and (digits.train_labels == classes).all()
    assert (digits.test_images == images).all()

    Train(competition=name, **KNOBS)(workspace, Silent())
    Predict(competition=name, **KNOBS)(workspace, Silent())
    *_, labels, header, first_id = LAYOUTS[name]
    said = workspace.submission("R").read_text().splitlines()
    ids, predicted = np.array([line.split(",") for line in said[1:]], int).T
    assert said[0] == header
    assert ids.tolist() == list(range(first_id, first_id + len(images)))
    assert set(predicted.tolist()) <= set(labels)
    probs = np.load(workspace.run("R").test_probs)["probs"]
    assert (predicted == np.array(labels)[probs.argmax(axis=1)]).all()


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(UserError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "harm", "said"),
    [
        (
            "sign-language-mnist",
            lambda rows: rows[3].__setitem__(0, 9),
            "sign_mnist_train.csv, row 3, column label: expected one of 0, 1, 2, 3, 4, 5, 6, 7, 8, "
            "10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, found 9; ",
        ),
        (
            "sign-language-mnist",
            lambda rows: rows[3].__setitem__(0, 25),
            "sign_mnist_train.csv, line 4, column label: expected a whole number from 0 to 24, "
            "found '25'; ",
        ),
        (
            "emnist-letters",
            lambda rows: rows.insert(0, ["label", *PIXELS_FROM_1]),
            "emnist-letters-train.csv, line 1, column label: expected a whole number from 0 to 26, "
            "found 'label'; ",
        ),
        (
            "fashion-mnist",
            lambda rows: rows.pop(0),
            "fashion-mnist_train.csv should start with the line 'label,pixel1,…,pixel784', but ",
        ),
        (
            "fashion-mnist",
            lambda rows: rows[0].__setitem__(slice(1, None), [f"pixel{i}" for i in range(784)]),
            "fashion-mnist_train.csv has 'pixel0' as column 2, where pixel1 is expected; ",
        ),
    ],
)
def test_files_that_do_not_fit(workspace, tmp_path, name, harm, said):
    write_layout(tmp_path / "files", name, harm)
    data = Data(competition=name, zip=str(tmp_path / "files"), any_size=True)
    message = refusal(lambda: data(workspace, Silent()))
    assert message.startswith(f"files: {said}")
    assert message.endswith(
        f"; mend the file, fetch it again (`make data FORCE=1 COMPETITION={name}`), or mend "
        f"pipeline/competitions/{name}.toml if that is wrong."
    )
    assert [file.name for file in (workspace.root / "input" / name).iterdir()] == [".lock"]


def test_ids_out_of_order(workspace, tmp_path):
    write_layout(tmp_path / "files", "Kannada-MNIST")
    file = tmp_path / "files" / "test.csv"
    header, first, second, *others = file.read_text().splitlines()
    file.write_text("\n".join([header, second, first, *others]))
    data = Data(competition="Kannada-MNIST", zip=str(file.parent), any_size=True)
    assert refusal(lambda: data(workspace, Silent())) == (
        "files: test.csv, row 1: expected id 0, found 1; the ids must be 0 to 99 in the order of "
        "test.csv."
    )


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("num_tset = 5", "there is no entry 'num_tset'; the entries are: num_train, num_test, "),
        ("num_test = 0", "num_test = 0: input should be greater than 0."),
        ("num_test = ", "is not valid TOML: Invalid value"),
        ("image_shape = [28, 28]", "image_shape[2] is missing."),
        ("image_shape = [1, 28, 10_000]", "image_shape[2] = 10000: input should be less than or "),
        ('header = "maybe"', "header = 'maybe': input should be a valid boolean"),
        ('class_names = ["a", "a"]', "class_names must be 2 to 256 names, each another."),
        ("labels = [1, 2]", "labels must be 3 numbers, each another, one for each of the class_"),
        ("labels = [1, 2, 256]", "labels[2] = 256: input should be less than or equal to 255."),
        ('pixel_column = "pixel"', "pixel_column = 'pixel' must name each pixel by {n}, or by "),
        ('pixel_column = "{x}"', "pixel_column = '{x}' must name each pixel by {n}, or by "),
        ('test_starts_with = "ids"', "test_starts_with = 'ids': input should be 'pixels', 'id' or"),
        ('train_file = "../t.csv"', "train_file = '../t.csv' must be a name in .csv."),
        (
            'train_file = "shapes_test.csv"',
            "train_file, test_file, sample_csv must be different ",
        ),
        ('labels_csv = "l.csv"', "pictures have 1 or 3 channels, and labels that are class_names."),
        ('id_column = "shape"', "id_column and prediction_column must be two names."),
        ('source = "practice"', "source must be kaggle or zip: practice data are made by the code"),
    ],
)
def test_a_slip_in_the_file_is_told(shapes, entry, said):
    name = entry.split()[0]
    lines = [line for line in shapes.read_text().splitlines() if not line.startswith(f"{name} ")]
    shapes.write_text("\n".join([*lines, entry]))
    message = refusal(lambda: get_competition("shapes"))
    assert re.sub("^pipeline/competitions/shapes.toml:? ", "", message).startswith(said)


def test_a_missing_entry_and_a_bad_name(shapes):
    shapes.write_text("num_train = 5")
    assert refusal(lambda: get_competition("shapes")) == (
        "pipeline/competitions/shapes.toml: num_test is missing."
    )
    shapes.rename(shapes.with_name("my shapes.toml"))
    assert refusal(lambda: get_competition("my shapes")).startswith(
        "pipeline/competitions/my shapes.toml cannot be named so: "
    )


def test_every_competition_is_valid_and_on_the_page():
    for name in competition_names():
        assert get_competition(name).slug == name
        assert name in ("digit-recognizer", "practice", "shapes") or f"`{name}`" in PAGE


def test_a_data_set_is_neither_fetched_nor_submitted(workspace):
    assert refusal(lambda: Data(competition="fashion-mnist")(workspace, Silent())) == (
        "fashion-mnist is no competition on Kaggle; download its zip in a browser from "
        "https://www.kaggle.com/datasets/zalando-research/fashionmnist and run "
        "`make data ZIP=… COMPETITION=fashion-mnist`."
    )
    submit = Submit(competition="fashion-mnist", run="R")
    assert refusal(lambda: submit(workspace, Silent())) == (
        "fashion-mnist has no leaderboard: what run R is worth stands in `make report RUN=R`."
    )
