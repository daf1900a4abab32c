"""What the `kaggle` command is given, and what is kept of what it prints."""

import importlib.metadata
import json
import os
import sys
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.kaggle.client import Limits, list_submissions, submission_limits
from pipeline.kaggle.command import (
    OLDEST_VERSION,
    CommandTimeout,
    command_environment,
    run_kaggle,
)
from tests.kaggle.conftest import DIGITS
from tests.kaggle.server import Hang, KaggleServer

REPOSITORY = Path(__file__).parents[2]


def test_the_environment_is_clean(
    kaggle_server: KaggleServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    unwanted = ("VERBOSE", "VERBOSE_OUTPUT", "KAGGLE_COMPETITION", "PYTHONPATH", "AWS_SECRET_KEY")
    for name in unwanted:
        monkeypatch.setenv(name, "1")
    assert not set(unwanted) & set(command_environment())
    output = run_kaggle("competitions", "submissions", DIGITS.slug, "--csv", timeout_s=30)
    assert (output.code, output.stderr) == (0, "")
    assert output.stdout == "No submissions found\n"  # no headers, in which the key would be


def test_the_list_is_read_behind_warnings(
    kaggle_server: KaggleServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = tmp_path / "home" / ".kaggle" / "kaggle.json"
    settings.parent.mkdir()
    settings.write_text(json.dumps({"username": "u", "key": "k"}))
    settings.chmod(0o644)  # readable by others: the command prints a warning
    assert list_submissions(DIGITS).submissions == []
    kaggle_server.num_pending_polls = 1
    kaggle_server.act("CreateSubmission", {"submissionDescription": 'a, "quoted"\nmessage [drp-1]'})
    found = list_submissions(DIGITS).submissions[0]
    assert (found.reference, found.description) == ("50000000", 'a, "quoted"\nmessage [drp-1]')
    assert (found.status, found.score) == ("pending", None)
    assert submission_limits(DIGITS) == Limits(num_today=1, num_left=4)


def test_a_command_that_takes_too_long_is_stopped(kaggle_server: KaggleServer) -> None:
    kaggle_server.fault("ListSubmissions", Hang(20.0))
    with pytest.raises(CommandTimeout):
        run_kaggle("competitions", "submissions", DIGITS.slug, timeout_s=1.5)


def test_a_missing_command_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"kaggle command is neither beside .*pip install kaggle"):
        run_kaggle("--version", timeout_s=5)


def write_kaggle(folder: Path, *, prints: str) -> Path:
    """A `kaggle` command that only prints something."""
    folder.mkdir(exist_ok=True)
    command = folder / "kaggle"
    command.write_text(f"#!/bin/sh\necho '{prints}'\n")
    command.chmod(0o755)
    return command


@pytest.mark.parametrize(
    ("prints", "told"),
    [
        ("Kaggle CLI 2.2.4", "2.2.4"),
        ("Kaggle API 1.6.12", "1.6.12"),
        ("who?", "of a version that it does not tell"),
    ],
)
def test_an_old_command_on_the_path_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prints: str, told: str
) -> None:
    old = write_kaggle(tmp_path / "old", prints=prints)
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", f"{old.parent}:{os.environ['PATH']}")
    with pytest.raises(UserError) as error:
        run_kaggle("competitions", "list", timeout_s=5)
    assert str(error.value) == (
        f"kaggle 2.2.5 or later is needed, but none is beside {tmp_path}/python, and {old} on the "
        f"PATH is {told}; install it with `{tmp_path}/python -m pip install kaggle six --upgrade`."
    )


def test_a_new_command_on_the_path_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new = write_kaggle(tmp_path / "new", prints="Kaggle CLI 2.10.0")
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", f"{new.parent}:{os.environ['PATH']}")
    assert run_kaggle("anything", timeout_s=5).stdout == "Kaggle CLI 2.10.0\n"


def test_the_environments_own_command_comes_first(
    kaggle_server: KaggleServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = write_kaggle(tmp_path / "old", prints="Kaggle CLI 2.2.4")
    monkeypatch.setenv("PATH", f"{old.parent}:{os.environ['PATH']}")
    version = run_kaggle("--version", timeout_s=30).stdout
    assert version == f"Kaggle CLI {importlib.metadata.version('kaggle')}\n"
    monkeypatch.setattr("pipeline.kaggle.command.OLDEST_VERSION", (99, 0, 0))
    own = Path(sys.executable).with_name("kaggle")
    with pytest.raises(UserError, match=f"kaggle 99.0.0 or later is needed, but {own} is 2"):
        run_kaggle("--version", timeout_s=30)


def test_the_version_asked_for_is_the_one_installed() -> None:
    oldest = ".".join(map(str, OLDEST_VERSION))
    assert f'"kaggle>={oldest},' in (REPOSITORY / "pyproject.toml").read_text()
