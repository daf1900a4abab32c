"""Archives: what Kaggle serves is taken, what is damaged or means harm is refused."""

import itertools
import random
import shutil
import stat
import zipfile
from pathlib import Path

import pytest

from pipeline.data import archive
from pipeline.data.archive import take_csv_files
from pipeline.errors import UserError
from tests.data.csv_files import write_zip

NAMES = ["sample_submission.csv", "test.csv", "train.csv"]


@pytest.fixture
def target(tmp_path) -> Path:
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


def refusal(source, target, tiny) -> str:
    with pytest.raises(UserError) as caught:
        take_csv_files(source, target, tiny)
    return str(caught.value)


def assert_taken(target: Path, csv_folder: Path, names=NAMES) -> None:
    assert sorted(file.name for file in target.iterdir()) == sorted(names)
    for name in names:
        assert (target / name).read_bytes() == (csv_folder / name).read_bytes()


@pytest.mark.parametrize("prefix", ["", "digit-recognizer/", "./"])
@pytest.mark.parametrize("names", [NAMES, NAMES[1:]])
def test_a_good_archive(tmp_path, csv_folder, target, tiny, prefix, names):
    source = write_zip(tmp_path / "d.zip", csv_folder, prefix, names)
    with zipfile.ZipFile(source, "a") as packed:
        packed.writestr(f"{prefix}README.md", "not ours")
        packed.writestr("__MACOSX/._train.csv", "not ours")
    take_csv_files(source, target, tiny)
    assert_taken(target, csv_folder, names)


def test_a_folder(csv_folder, target, tiny):
    (csv_folder / "notes.txt").write_text("not ours")
    take_csv_files(csv_folder, target, tiny)
    assert_taken(target, csv_folder)


def test_a_folder_without_test_csv(csv_folder, target, tiny):
    (csv_folder / "test.csv").unlink()
    assert refusal(csv_folder, target, tiny) == (
        "the folder downloads has no test.csv; it needs train.csv and test.csv."
    )


def test_a_folder_of_a_folder_or_of_zips(tmp_path, csv_folder, target, tiny):
    (tmp_path / "outer" / "empty").mkdir(parents=True)
    outer = tmp_path / "outer"
    take_csv_files(csv_folder.rename(outer / "one"), target, tiny)
    assert_taken(target, outer / "one")
    shutil.copytree(outer / "one", outer / "two")
    assert refusal(outer, target, tiny) == (
        f"the folder outer has no train.csv; give one of its sub-folders, as in ZIP={outer}/one."
    )
    shutil.rmtree(outer / "two")
    packed = write_zip(tmp_path / "train.csv.zip", outer / "one", names=["train.csv"])
    shutil.rmtree(outer / "one")
    packed.rename(outer / packed.name)
    assert refusal(outer, target, tiny) == (
        f"the folder outer has no train.csv; give the zip in it, ZIP={outer}/train.csv.zip, or "
        "unpack all zips and give their folder."
    )
    (outer / "empty").rmdir()
    both = write_zip(tmp_path / "both.zip", outer)
    assert refusal(both, target, tiny) == (
        "both.zip has no train.csv (it holds: train.csv.zip); unpack it and the zips in it, and "
        "give their folder as ZIP=."
    )


def test_no_such_source(tmp_path, target, tiny):
    assert refusal(tmp_path / "d.zip", target, tiny) == (
        f"ZIP={tmp_path}/d.zip does not exist; give a zip archive or a folder of CSV files."
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "d.zip is empty; download it again."),
        (b"<html>", "d.zip is not a zip archive; download it again."),
        (b"label,pixel0\n1,2\n", "d.zip is not a zip archive; download it again."),
    ],
)
def test_not_an_archive(tmp_path, target, tiny, content, said):
    (tmp_path / "d.zip").write_bytes(content)
    assert refusal(tmp_path / "d.zip", target, tiny) == said


def test_truncated(tmp_path, csv_folder, target, tiny):
    source = write_zip(tmp_path / "d.zip", csv_folder)
    source.write_bytes(source.read_bytes()[:-100])
    assert refusal(source, target, tiny) == (
        "d.zip is cut short: the end of the archive is missing; download it again."
    )


def test_another_competitions_archive(tmp_path, target, tiny):
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as packed:
        for name in ("gender_submission.csv", "test.csv", "titanic.csv", "d"):
            packed.writestr(name, "a,b")
    assert refusal(tmp_path / "d.zip", target, tiny) == (
        "d.zip has no train.csv (it holds: gender_submission.csv, test.csv, titanic.csv, …); is it "
        "the archive of another competition?"
    )


def test_checksum(tmp_path, csv_folder, target, tiny):
    with zipfile.ZipFile(tmp_path / "d.zip", "w", zipfile.ZIP_STORED) as packed:
        for name in NAMES:
            packed.write(csv_folder / name, name)
    content = bytearray((tmp_path / "d.zip").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "d.zip").write_bytes(content)
    assert refusal(tmp_path / "d.zip", target, tiny) == (
        "d.zip is damaged (Bad CRC-32 for file 'train.csv'); download it again."
    )


@pytest.mark.parametrize("name", ["../train.csv", "a/../../x.csv", "/etc/x", "..\\x", "C:\\x"])
def test_members_that_climb_out(tmp_path, csv_folder, target, tiny, name):
    source = write_zip(tmp_path / "d.zip", csv_folder)
    with zipfile.ZipFile(source, "a") as packed:
        packed.writestr(name, "x")
    assert refusal(source, target, tiny) == (
        f"d.zip is refused: its member {name!r} would leave the folder; download the archive "
        "again from the competition's page."
    )
    assert not list(target.iterdir())


def test_members_that_are_links(tmp_path, csv_folder, target, tiny):
    source = write_zip(tmp_path / "d.zip", csv_folder, names=NAMES[1:])
    link = zipfile.ZipInfo("sample_submission.csv")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(source, "a") as packed:
        packed.writestr(link, "/etc/passwd")
    assert refusal(source, target, tiny) == (
        "d.zip is refused: its member 'sample_submission.csv' is a link; download the archive "
        "again from the competition's page."
    )


def test_twice_the_same_name(tmp_path, csv_folder, target, tiny):
    source = write_zip(tmp_path / "d.zip", csv_folder)
    with zipfile.ZipFile(source, "a") as packed:
        packed.writestr("old/train.csv", "x")
    said = refusal(source, target, tiny)
    assert said == "d.zip has train.csv twice; it should have it once."


def test_encrypted(tmp_path, csv_folder, target, tiny):
    source = write_zip(tmp_path / "d.zip", csv_folder)
    content = bytearray(source.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(signature)
        while at >= 0:
            content[at + flags] |= 1
            at = content.find(signature, at + 1)
    source.write_bytes(content)
    said = refusal(source, target, tiny)
    assert said == "d.zip is encrypted; unpack it and give the folder as ZIP=."


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_ways_of_packing(tmp_path, csv_folder, target, tiny, method):
    with zipfile.ZipFile(tmp_path / "d.zip", "w", method) as packed:
        packed.write(csv_folder / "train.csv", "train.csv")
    assert refusal(tmp_path / "d.zip", target, tiny) == (
        "d.zip is packed in an unusual way; unpack it and give the folder as ZIP=."
    )


def test_a_bomb_that_says_so(tmp_path, csv_folder, target, tiny, monkeypatch):
    """16 MB of zeros are 16 kB in the archive; nothing of it is unpacked."""
    monkeypatch.setattr(archive, "MAX_TOTAL_BYTES", 15 << 20)
    source = write_zip(tmp_path / "d.zip", csv_folder, names=NAMES[:2])
    with zipfile.ZipFile(source, "a", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("train.csv", bytes(16 << 20))
    assert refusal(source, target, tiny) == (
        "d.zip is refused: it would unpack to more than 15 MiB; download the archive again from "
        "the competition's page."
    )
    assert not list(target.iterdir())


def test_a_bomb_that_lies_about_its_size(tmp_path, csv_folder, target, tiny, monkeypatch):
    """A member of 4 MB that the archive's directory gives as few bytes."""
    source = write_zip(tmp_path / "d.zip", csv_folder, names=NAMES[:2])
    with zipfile.ZipFile(source, "a", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("train.csv", bytes(4 << 20))
    content = source.read_bytes()
    source.write_bytes(content.replace((4 << 20).to_bytes(4, "little"), b"\x07\0\0\0"))
    monkeypatch.setattr(archive, "MAX_TOTAL_BYTES", 1 << 20)
    said = refusal(source, target, tiny)
    assert "damaged" in said or "would unpack to more than 1 MiB" in said
    assert sum(file.stat().st_size for file in target.iterdir()) <= 1 << 20


def test_the_bytes_that_come_are_counted(tmp_path, csv_folder, target, tiny, monkeypatch):
    """Whatever sizes the archive's directory gives, and whatever zipfile makes of them."""
    source = write_zip(tmp_path / "d.zip", csv_folder)
    monkeypatch.setattr(archive, "MAX_TOTAL_BYTES", 8 << 20)
    monkeypatch.setattr(archive, "_unpack", lambda *_: itertools.repeat(bytes(1 << 20)))
    assert "would unpack to more than 8 MiB" in refusal(source, target, tiny)
    assert sum(file.stat().st_size for file in target.iterdir()) == 8 << 20


@pytest.mark.parametrize("seed", range(20))
def test_random_damage_is_never_a_crash(tmp_path, csv_folder, target, tiny, seed):
    """Flipped, missing and repeated bytes: taken as it was, or refused in a sentence."""
    chance = random.Random(seed)
    source = write_zip(tmp_path / "d.zip", csv_folder)
    whole = source.read_bytes()
    for attempt in range(20):
        content = bytearray(whole)
        start = chance.choice([0, len(content) - 400])  # the directory is at the end
        at = chance.randrange(start, len(content))
        if attempt % 3 == 0:
            content[at] ^= 1 << chance.randrange(8)
        elif attempt % 3 == 1:
            del content[at : at + chance.randrange(1, 40)]
        else:
            content[at:at] = content[at - 20 : at]
        source.write_bytes(content)
        for file in target.iterdir():
            file.unlink()
        try:
            take_csv_files(source, target, tiny)
        except UserError:
            continue
        for file in target.iterdir():
            assert file.read_bytes() == (csv_folder / file.name).read_bytes()
