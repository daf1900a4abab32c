"""The cache: the digits of the manifest, or a sentence, or made again; never anything else."""

import os
import pickle

import numpy as np
import pytest

from pipeline.console import Silent
from pipeline.data.digits_cache import load_digits, load_training_images
from pipeline.data.manifest import load_manifest, touched_files
from pipeline.errors import UserError
from pipeline.runs.workspace import Workspace
from tests.data.conftest import data


@pytest.fixture
def filled(tiny, workspace, csv_folder, paths):
    data(tiny, workspace, Silent(), source=csv_folder)
    return paths


def assert_same(found, digits):
    for name in ("train_images", "train_labels", "test_images"):
        assert (getattr(found, name) == getattr(digits, name)).all()
        assert getattr(found, name).dtype == np.uint8


def test_cached(filled, digits, monkeypatch):
    monkeypatch.setattr("pipeline.data.digits_cache.read_train_file", None)
    assert_same(load_digits(filled), digits)


def test_to_train_on_no_test_image_is_read(filled, digits, monkeypatch):
    read = []
    item = np.lib.npyio.NpzFile.__getitem__
    monkeypatch.setattr(
        "numpy.lib.npyio.NpzFile.__getitem__", lambda self, key: read.append(key) or item(self, key)
    )
    images, labels = load_training_images(filled)
    assert (images == digits.train_images).all() and (labels == digits.train_labels).all()
    assert read == ["sha256", "train_images", "train_labels"]
    filled.digits.unlink()  # made again from the files
    images, labels = load_training_images(filled)
    assert (images == digits.train_images).all() and (labels == digits.train_labels).all()


class Trap:
    def __reduce__(self):
        return exec, ("raise SystemExit('executed')",)


@pytest.mark.parametrize("damage", ["missing", "cut", "flipped", "empty", "pickle", "other"])
def test_made_again(filled, digits, damage):
    whole = filled.digits.read_bytes()
    if damage == "missing":
        filled.digits.unlink()
    elif damage == "cut":
        filled.digits.write_bytes(whole[:-50])
    elif damage == "flipped":
        at = len(whole) // 2
        filled.digits.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    elif damage == "empty":
        filled.digits.write_bytes(b"")
    elif damage == "pickle":
        filled.digits.write_bytes(pickle.dumps(Trap()))
    else:
        np.savez(filled.digits, train_images=digits.train_images, sha256=np.array("of others"))
    assert_same(load_digits(filled), digits)
    assert filled.digits.read_bytes() == whole
    assert not list(filled.folder.glob(".*.tmp"))


def test_no_data_yet(paths):
    with pytest.raises(UserError) as caught:
        load_digits(paths)
    assert str(caught.value) == ("the data of digit-recognizer are not here yet; run `make data`.")


@pytest.mark.parametrize("name", ["train.csv", "test.csv", "sample_submission.csv"])
def test_a_changed_or_missing_file(filled, name):
    file = filled.folder / name
    said = f"{name} has changed since it was checked; run `make data`."
    file.chmod(0o644)
    for content in (file.read_bytes()[:-3], file.read_bytes().replace(b"1", b"2", 1), b""):
        file.write_bytes(content)
        with pytest.raises(UserError) as caught:
            load_digits(filled)
        assert str(caught.value) == said
    file.unlink()
    with pytest.raises(UserError) as caught:
        load_digits(filled)
    assert str(caught.value) == said


@pytest.mark.parametrize("name", ["train.csv", "test.csv", "sample_submission.csv"])
@pytest.mark.parametrize("time_ns", [10**18, 2 * 10**18], ids=["older", "newer"])
def test_a_copy_has_another_time_and_is_the_same(filled, digits, name, time_ns):
    file = filled.folder / name
    os.utime(file, ns=(time_ns, time_ns))
    assert_same(load_digits(filled), digits)
    filled.digits.unlink()
    assert_same(load_digits(filled), digits)
    assert touched_files(filled, load_manifest(filled)) == [name], (
        "nothing but the cache is written"
    )
    data(filled.competition, Workspace(filled.folder.parents[1]), Silent())
    assert touched_files(filled, load_manifest(filled)) == []


def test_a_change_that_size_and_time_do_not_tell(filled):
    """It is found at the latest when the cache has to be made again."""
    facts = filled.train.stat()
    content = filled.train.read_bytes()
    filled.train.chmod(0o644)
    filled.train.write_bytes(content[:-3] + b"9\r\n")
    os.utime(filled.train, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    if filled.train.stat().st_size != facts.st_size:
        pytest.skip("the last pixel had another number of digits")
    filled.digits.unlink()
    with pytest.raises(UserError, match=r"^train.csv has changed since it was checked; run"):
        load_digits(filled)


def test_another_competitions_manifest(filled):
    text = filled.manifest.read_text().replace("digit-recognizer", "practice")
    filled.manifest.write_text(text)
    with pytest.raises(UserError, match="belongs to practice, not to digit-recognizer; run"):
        load_digits(filled)


def test_a_damaged_manifest(filled):
    filled.manifest.write_text(filled.manifest.read_text()[:50])
    with pytest.raises(UserError, match=r"is not a readable Manifest .*; run `make data`\."):
        load_digits(filled)
