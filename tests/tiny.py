"""A synthetic competition that trains in a second: ten block patterns under noise."""

import shutil
from pathlib import Path

import numpy as np

from pipeline.augment.registry import recipe_text
from pipeline.commands.data import Data
from pipeline.commands.split import Split
from pipeline.console import Silent
from pipeline.data.competition import get_competition
from pipeline.data.digits import Digits
from pipeline.runs.spec import RunSpec, specify_run
from pipeline.runs.workspace import Workspace
from pipeline.settings.presets import resolve
from tests.data.csv_files import write_competition
from tests.lines import Lines

COMPETITION = get_competition("digit-recognizer")
NUM_TRAIN, NUM_TEST = 200, 30
__all__ = ["Lines"]

SETTINGS = {
    "model": "dropout_cnn",
    "epochs": 3,
    "batch_size": 16,
    "learning_rate": 2e-3,
    "dropout": 0.1,
    "ema": 0.0,
    "num_workers": 0,
    "device": "cpu",
}


def make_digits(num_train: int = NUM_TRAIN, num_test: int = NUM_TEST) -> Digits:
    rng = np.random.default_rng(0)
    patterns = rng.integers(0, 2, (10, 4, 4)).repeat(7, axis=1).repeat(7, axis=2) * 200

    def images(labels: np.ndarray) -> np.ndarray:
        noise = rng.integers(0, 56, (len(labels), 28, 28))
        return (patterns[labels] + noise).astype(np.uint8)[:, None]

    train_labels = np.arange(num_train) % 10
    return Digits(
        images(train_labels), train_labels.astype(np.uint8), images(np.arange(num_test) % 10)
    )


def write_downloads(folder: Path) -> Path:
    """The three CSV files, as if downloaded."""
    return write_competition(folder, make_digits())


def prepare(root: Path, digits: Digits | None = None) -> Workspace:
    """A workspace whose data and folds are there, of other digits if they are given."""
    workspace = Workspace(root)
    source = write_competition(root / "downloads", digits or make_digits())
    Data(zip=str(source), any_size=True)(workspace, Silent())
    Split()(workspace, Silent())
    shutil.rmtree(source)
    return workspace


def spec(workspace: Workspace, name: str = "tiny", **overrides: object) -> RunSpec:
    """A run on the synthetic competition."""
    settings = resolve("standard", SETTINGS | {"augment": "none"} | overrides)
    return specify_run(name, "standard", settings, recipe_text(settings.augment, workspace.recipes))
