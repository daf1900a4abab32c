"""Workspaces in which the synthetic competition lies ready."""

import shutil
import signal
from pathlib import Path

import pytest
import torch

from pipeline.runs.workspace import Workspace
from tests import tiny


def pytest_configure() -> None:
    """Let Ctrl-C reach the processes that tests start, also where a shell put pytest behind `&`."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--slow`: what `make test SLOW=1` says to pytest."""
    parser.addoption("--slow", action="store_true", help="also run the tests marked as slow")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the slow ones out unless asked for."""
    if not config.getoption("--slow"):
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="slow: make test SLOW=1"))


@pytest.fixture(scope="session", autouse=True)
def one_thread_per_process():
    """Tests run in one process per core; each network would otherwise take all of them."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def _prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.prepare(tmp_path_factory.mktemp("prepared")).root


@pytest.fixture
def tiny_workspace(_prepared: Path, tmp_path: Path) -> Workspace:
    """A fresh workspace with the synthetic competition's data and folds."""
    shutil.copytree(_prepared, tmp_path / "work")
    return Workspace(tmp_path / "work")
