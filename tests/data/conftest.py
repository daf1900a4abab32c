"""A competition small enough to be read hundreds of times, in the real one's format."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.console import Reporter
from pipeline.data.competition import Competition, get_competition
from pipeline.data.digits import Digits
from pipeline.data.inputs import InputPaths
from pipeline.data.intake import take_in
from pipeline.data.manifest import Manifest
from pipeline.kaggle import client
from pipeline.runs.workspace import Workspace
from tests.data.csv_files import write_competition
from tests.lines import Lines


@pytest.fixture(scope="session")
def tiny() -> Competition:
    return dataclasses.replace(get_competition("digit-recognizer"), num_train=12, num_test=5)


@pytest.fixture(scope="session")
def digits() -> Digits:
    random = np.random.default_rng(7)
    return Digits(
        random.integers(0, 256, (12, 1, 28, 28), np.uint8),
        np.arange(12, dtype=np.uint8) % 10,
        random.integers(0, 256, (5, 1, 28, 28), np.uint8),
    )


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "work")


@pytest.fixture
def paths(workspace: Workspace, tiny: Competition) -> InputPaths:
    return workspace.input(tiny)


@pytest.fixture
def csv_folder(tmp_path: Path, digits: Digits) -> Path:
    """The tiny competition's three files, as someone might have downloaded them."""
    return write_competition(tmp_path / "downloads", digits)


def data(
    competition: Competition, workspace: Workspace, reporter: Reporter, **options: Any
) -> Manifest:
    """Put a competition's files into their place."""
    return take_in(workspace.input(competition), reporter, download=client.download, **options)
