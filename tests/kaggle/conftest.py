"""A Kaggle on the loopback interface, and a finished run to submit to it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.commands.submit import Submit
from pipeline.data.competition import Competition, get_competition
from pipeline.data.files import read_record
from pipeline.runs.records import Receipt
from pipeline.runs.workspace import Workspace
from tests import disk, tiny
from tests.kaggle.server import KaggleServer, running_server
from tests.lines import Lines

DIGITS = get_competition("digit-recognizer")
NUM_TEST = tiny.NUM_TEST


@pytest.fixture
def kaggle_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KaggleServer]:
    """A server that the `kaggle` command of this process talks to, with a valid key."""
    for name in os.environ:
        if name.startswith("KAGGLE_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    with running_server() as server:
        for name, value in server.environment(tmp_path / "home").items():
            monkeypatch.setenv(name, value)
        yield server


def write_run(workspace: Workspace, run: str, labels: np.ndarray[Any, Any]) -> None:
    """A run that predicts these labels, with 18 of 20 validation images right."""
    disk.write_run(workspace, run, wrong=2, predicted=labels)


def write_csv(path: Path, labels: np.ndarray[Any, Any]) -> None:
    path.parent.mkdir(exist_ok=True)
    rows = [f"{image_id},{label}\n" for image_id, label in enumerate(labels, 1)]
    path.write_text("ImageId,Label\n" + "".join(rows))


@pytest.fixture(scope="session")
def _prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workspace = tiny.prepare(tmp_path_factory.mktemp("kaggle"))
    write_run(workspace, "cnn", np.arange(NUM_TEST) % 10)
    return workspace.root


@pytest.fixture
def workspace(_prepared: Path, tmp_path: Path) -> Workspace:
    """A small competition's data, and the run "cnn" ready for submission."""
    shutil.copytree(_prepared, tmp_path / "work")
    return Workspace(tmp_path / "work")


def submit(
    run: str,
    competition: Competition,
    workspace: Workspace,
    reporter: Lines,
    *,
    poll_s: float = 5.0,
    timeout_s: float = 900.0,
    **knobs: Any,
) -> Receipt:
    """Submit a run."""
    command = Submit(run=run, competition=competition.slug, **knobs)
    return command(workspace, reporter, poll_s=poll_s, timeout_s=timeout_s)


def submit_cnn(workspace: Workspace, reporter: Lines | None = None, **options: Any) -> Receipt:
    """Submit the run "cnn" without pauses."""
    options = {"poll_s": 0.0, "timeout_s": 120.0} | options
    return submit("cnn", DIGITS, workspace, reporter or Lines(), **options)


def read_receipt(workspace: Workspace) -> Receipt:
    """The receipt of the run "cnn"."""
    return read_record(workspace.receipt("cnn"), Receipt)
