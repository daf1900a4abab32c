"""Pictures in 7z archives: read as they are, whatever else is there is refused and named."""

import io
import re
import zipfile
from pathlib import Path
from unittest.mock import patch

import numpy as np
import py7zr
import pytest
from PIL import Image

from pipeline.commands.data import Data
from pipeline.commands.predict import Predict
from pipeline.commands.split import Split
from pipeline.commands.train import Train
from pipeline.console import Silent
from pipeline.data.competition import get_competition
from pipeline.data.digits_cache import load_digits
from pipeline.errors import UserError
from tests.data.test_stage import contents

CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
IMAGES = np.random.default_rng(0).integers(0, 256, (100, 32, 32, 3), np.uint8)
KNOBS = {"model": "plain_cnn", "augment": "strong", "epochs": "1", "device": "cpu", "run": "R"}


def picture(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def pictures(part: str, num: int) -> dict[str, bytes]:
    """The files of an archive, not in the order of their ids."""
    order = np.random.default_rng(1).permutation(num).tolist()
    return {f"{part}/{i + 1}.png": picture(IMAGES[i]) for i in order}


def archive(files: dict[str, bytes]) -> bytes:
    packed, copied = io.BytesIO(), [{"id": py7zr.FILTER_COPY}]
    with (
        patch("py7zr.py7zr.check_archive_path", return_value=True),  # writes what leaves the folder
        py7zr.SevenZipFile(packed, "w", filters=copied) as new,
    ):
        for name, content in files.items():
            new.writestr(content, name)
    return packed.getvalue()


@pytest.fixture(scope="module")
def served() -> dict[str, bytes]:
    """What the competition's zip holds; picture number i is of class i % 10."""
    rows = [f"{i},{CLASSES[i % 10]}\n" for i in range(100, 0, -1)]
    return {
        "train.7z": archive(pictures("train", 100)),
        "test.7z": archive(pictures("test", 12)),
        "trainLabels.csv": "".join(["id,label\n", *rows]).encode(),
        "sampleSubmission.csv": "".join(
            ["id,label\n", *(f"{i},cat\n" for i in range(1, 13))]
        ).encode(),
    }


def write(path: Path, files: dict[str, bytes]) -> str:
    with zipfile.ZipFile(path, "w") as new:
        for name, content in files.items():
            new.writestr(name, content)
    return str(path)


@pytest.mark.parametrize("left_out", ["", "sampleSubmission.csv"])
def test_the_whole_way(workspace, tmp_path, lines, served, left_out):
    files = {name: content for name, content in served.items() if name != left_out}
    Data(competition="cifar-10", zip=write(tmp_path / "c.zip", files), any_size=True)(
        workspace, lines
    )
    Split(competition="cifar-10")(workspace, lines)
    inputs = workspace.input(get_competition("cifar-10"))
    inputs.digits.unlink()  # made again from the archives
    digits = load_digits(inputs)
    assert (digits.train_images == IMAGES.transpose(0, 3, 1, 2)).all()
    assert (digits.train_labels == np.arange(1, 101) % 10).all()
    assert (digits.test_images == digits.train_images[:12]).all()
    assert inputs.sample_submission.read_bytes().count(b",") == 13
    if left_out:
        return
    Train(competition="cifar-10", **KNOBS)(workspace, Silent())
    Predict(competition="cifar-10", **KNOBS)(workspace, Silent())
    predicted = np.load(workspace.run("R").test_probs)["probs"].argmax(axis=1)
    assert workspace.submission("R").read_text().splitlines() == [
        "id,label",
        *(f"{i},{CLASSES[label]}" for i, label in enumerate(predicted, 1)),
    ]


def harmed(**changes: bytes) -> dict[str, bytes]:
    """The files of test.7z with others in their place, or beside them."""
    names = {name: f"test/{name.removeprefix('p')}.png" for name in changes}
    return pictures("test", 12) | {names[name]: content for name, content in changes.items()}


GOOD = picture(IMAGES[0])
TEST_ARCHIVES = {
    "of another size": (
        archive(harmed(p3=picture(IMAGES[0, :31]))),
        "test.7z, 3.png: expected 32×32 pixels in mode RGB, found 32×31 in mode RGB; ",
    ),
    "grey": (
        archive(harmed(p3=picture(IMAGES[0, :, :, 0]))),
        "test.7z, 3.png: expected 32×32 pixels in mode RGB, found 32×32 in mode L; ",
    ),
    "cut short": (
        archive(harmed(p3=GOOD[:-200])),
        "test.7z, 3.png: expected a PNG, found what cannot be decoded (image file is truncated",
    ),
    "a flipped bit": (
        archive(harmed(p3=GOOD[:900] + bytes([GOOD[900] ^ 1]) + GOOD[901:])),
        "test.7z, 3.png: expected a PNG, found what cannot be decoded (",
    ),
    "a JPEG": (
        archive(harmed(p3=picture(IMAGES[0], "JPEG"))),
        "test.7z, 3.png: expected a PNG, found what cannot be decoded (cannot identify image",
    ),
    "empty": (
        archive(harmed(p3=b"")),
        "test.7z, test/3.png: expected a picture of 1 to 71,680 bytes, found 0; ",
    ),
    "a trap": (
        archive(harmed(p3=bytes(1 << 20))),
        "test.7z, test/3.png: expected a picture of 1 to 71,680 bytes, found 1,048,576; ",
    ),
    "missing": (
        archive(harmed(p14=GOOD)),
        "test.7z has 13 pictures, but 13.png is not among them; ",
    ),
    "twice": (
        archive(pictures("test", 12) | {"other/3.png": GOOD}),
        "test.7z has 3.png more than once; ",
    ),
    "another name": (
        archive(pictures("test", 12) | {"test/03.png": GOOD}),
        "test.7z should hold pictures called 1.png and so on, but has 'test/03.png'; ",
    ),
    "leaving": (
        archive(pictures("test", 12) | {"test/../../13.png": GOOD}),
        "test.7z is damaged, or no 7z archive (Specified path is bad: test/../../13.png); ",
    ),
    "none": (archive({}), "test.7z holds no pictures; "),
    "no archive": (b"7z", "test.7z is damaged, or no 7z archive ("),
}


def refusal(workspace, path: Path, files: dict[str, bytes], any_size: bool = True) -> str:
    """What `make data` says; nothing is left behind."""
    data = Data(competition="cifar-10", zip=write(path, files), any_size=any_size)
    with pytest.raises(UserError) as caught:
        data(workspace, Silent())
    assert contents(workspace.root / "input" / "cifar-10") == {}
    said = str(caught.value)
    assert "\n" not in said and re.search(r"`make data FORCE=1 COMPETITION=cifar-10`", said)
    return said.removeprefix(f"{path.name}: ")


@pytest.mark.parametrize("kind", TEST_ARCHIVES)
def test_pictures_that_are_refused(workspace, tmp_path, served, kind):
    content, said = TEST_ARCHIVES[kind]
    files = served | {"test.7z": content}
    assert refusal(workspace, tmp_path / "c.zip", files).startswith(said)


def test_an_archive_cut_short_or_changed(workspace, tmp_path, served):
    whole = served["test.7z"]
    for content in (whole[:-50], whole[:20_000] + b"?" + whole[20_001:]):
        said = refusal(workspace, tmp_path / "c.zip", served | {"test.7z": content})
        assert said.startswith("test.7z")


def test_another_number_of_pictures(workspace, tmp_path, served):
    said = refusal(workspace, tmp_path / "c.zip", served, any_size=False)
    assert said.startswith("train.7z has 100 pictures, but cifar-10 has 50,000; ")
    assert said.endswith("; or say ANY_SIZE=1 if this size is meant.")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("9,truck", "9,lorry", "trainLabels.csv, line 93, column label: expected one of airplane,"),
        ("9,truck", "x,truck", "trainLabels.csv, line 93, column id: expected a whole number, fo"),
        ("9,truck", "9", "trainLabels.csv, line 93, column label: expected one of airplane, au"),
        ("9,truck", "8,truck", "trainLabels.csv has 100 rows, where each of the 100 pictures of"),
        ("9,truck\n", "", "trainLabels.csv has 99 rows, where each of the 100 pictures of tra"),
        ("id,label", "id,name", "trainLabels.csv has 'name' as column 2, where label is expecte"),
    ],
)
def test_labels_that_are_refused(workspace, tmp_path, served, before, after, said):
    text = served["trainLabels.csv"].decode()
    changed = re.sub(f"^{before}", after, text, count=1, flags=re.M).encode()
    files = served | {"trainLabels.csv": changed}
    assert refusal(workspace, tmp_path / "c.zip", files).startswith(said)


def test_labels_that_are_missing(workspace, tmp_path, served):
    files = {name: content for name, content in served.items() if name != "trainLabels.csv"}
    data = Data(competition="cifar-10", zip=write(tmp_path / "c.zip", files))
    with pytest.raises(UserError, match=r"^c\.zip has no trainLabels\.csv \(it holds: train\.7z, "):
        data(workspace, Silent())
