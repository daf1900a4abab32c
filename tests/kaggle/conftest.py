"""A Kaggle on the loopback interface, and a finished run to submit to it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.artifacts.digits_cache import load_manifest
from pipeline.artifacts.paths import Workspace
from pipeline.artifacts.probs import Probs, save_probs
from pipeline.artifacts.records import Receipt, RunConfig, read_record, write_record
from pipeline.competition import get_competition
from pipeline.reporting import Silent
from pipeline.stages.data import data
from pipeline.stages.submit import submit
from tests.kaggle.server import KaggleServer, running_server
from tests.lines import Lines

DIGITS = get_competition("digit-recognizer")
NUM_TRAIN, NUM_TEST = 20, 30


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
    """Write what training and prediction leave, for ten validation images (nine of them right)."""
    paths = workspace.run(run)
    config = RunConfig(
        run=run,
        preset="standard",
        code_version="0",
        digits_sha256=load_manifest(workspace.input(DIGITS)).digits_sha256,
        folds_sha256="",
        libraries={},
        settings={"competition": DIGITS.slug, "model": "dropout_cnn", "augment": "affine"},
        recipe="{}",
    )
    write_record(paths.config, config)
    probs = np.eye(10, dtype=np.float32)
    probs[9] = probs[0]
    for path in (paths.fold(0).oof, paths.oof):
        save_probs(path, Probs(np.arange(10), probs))
    write_csv(workspace.submission(run), labels)


def write_csv(path: Path, labels: np.ndarray[Any, Any]) -> None:
    path.parent.mkdir(exist_ok=True)
    rows = [f"{image_id},{label}\n" for image_id, label in enumerate(labels, 1)]
    path.write_text("ImageId,Label\n" + "".join(rows))


@pytest.fixture(scope="session")
def _prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kaggle")
    pixels = ",".join(DIGITS.pixel_columns)
    source = folder / "source"
    source.mkdir()
    train = [",".join([str(i % 10), *["7"] * 784]) for i in range(NUM_TRAIN)]
    test = [",".join(["9"] * 784)] * NUM_TEST
    (source / "train.csv").write_text("\n".join([f"label,{pixels}", *train]) + "\n")
    (source / "test.csv").write_text("\n".join([pixels, *test]) + "\n")
    workspace = Workspace(folder / "work")
    data(DIGITS, workspace, Silent(), source=source, any_size=True)
    write_run(workspace, "cnn", np.arange(NUM_TEST) % 10)
    return workspace.root


@pytest.fixture
def workspace(_prepared: Path, tmp_path: Path) -> Workspace:
    """A small competition's data, and the run "cnn" ready for submission."""
    shutil.copytree(_prepared, tmp_path / "work")
    return Workspace(tmp_path / "work")


def submit_cnn(workspace: Workspace, reporter: Lines | None = None, **options: Any) -> Receipt:
    """Submit the run "cnn" without pauses."""
    options = {"poll_s": 0.0, "timeout_s": 120.0} | options
    return submit("cnn", DIGITS, workspace, reporter or Lines(), **options)


def read_receipt(workspace: Workspace) -> Receipt:
    """The receipt of the run "cnn"."""
    return read_record(workspace.receipt("cnn"), Receipt)
