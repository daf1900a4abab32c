"""A run is named after its network's code, too."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

NETWORKS = Path("pipeline", "networks")
REGISTRY, LAYERS = NETWORKS / "__init__.py", NETWORKS / "layers.py"
OWN, REFERENCE = NETWORKS / "own.py", NETWORKS / "reference.py"
MINE, SIZES, BLOCKS = NETWORKS / "mine.py", NETWORKS / "sizes.py", Path("helpers", "blocks.py")
MY_NETWORK = """
from helpers.blocks import *
from . import sizes
from pipeline.networks.layers import Classifier

class Mine(Classifier):
    widths = [sizes.WIDTH]
    def features(self, images):
        return fold(images)
"""


class Checkout:
    """A copy of the code alone, to be edited."""

    def __init__(self, root: Path) -> None:
        self.root = root
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(Path(__file__).parents[1] / "pipeline", root / "pipeline", ignore=ignore)

    def settings(self, model: str, *edits: tuple[Path, str, str]) -> str:
        """What is said of a run of that network, its name too, after edits, which are undone."""
        texts = {file: (self.root / file).read_text() for file, _, _ in edits}
        for file, old, new in edits:
            text = (self.root / file).read_text()
            assert old in text
            (self.root / file).write_text(text.replace(old, new))
        command = [
            sys.executable,
            "-m",
            "pipeline",
            "settings",
            "--augment=none",
            f"--model={model}",
        ]
        done = subprocess.run(command, cwd=self.root, capture_output=True, text=True)
        assert "Traceback" not in done.stderr
        for file, text in texts.items():
            (self.root / file).write_text(text)
        return done.stdout or done.stderr


@pytest.fixture
def checkout(tmp_path) -> Checkout:
    return Checkout(tmp_path)


def test_an_edited_network_is_another_run(checkout):
    before = checkout.settings("dropout_cnn")
    relu = "F.relu(self.linear1(x.flatten(1)))"
    for file, old, new in (
        (REFERENCE, relu, relu.replace("relu", "sigmoid")),  # all weights still fit
        (REFERENCE, "functional as F\n", "functional as F\nF.relu = F.gelu\n"),
        (LAYERS, "self.head(self.features(images))", "self.head(-self.features(images))"),
        (REGISTRY, '_cnn": DropoutCNN', '_cnn": partial(DropoutCNN)'),
    ):
        after = checkout.settings("dropout_cnn", (file, old, new))
        assert "\nthe run of these: standard-none-s0-" in after and after != before, new
    formatted = f"self.dropout(  # why\n            {relu}\n        )"
    after = checkout.settings(
        "dropout_cnn",
        (REFERENCE, f"self.dropout({relu})", formatted),
        (REFERENCE, "The design says ReLU", "Designed as ReLU"),
        (REFERENCE, "Two 5×5 convolutions and", "Said otherwise: two, and"),
        (REFERENCE, "BatchNorm2d(16)", "GroupNorm(4, 16)"),  # other networks of the same file
        (REGISTRY, "(48, 64, 64, 96, 96)", "(48, 64, 64, 96, 99)"),
        (OWN, "import Classifier, Dropout", "import Dropout, Classifier"),
    )
    assert after == before


def test_a_network_of_ones_own_counts_with_all_that_it_is_made_of(checkout):
    other = checkout.settings("dropout_cnn")
    (checkout.root / "helpers").mkdir()
    for file, text in (
        (MINE, MY_NETWORK),
        (SIZES, "WIDTH = 8\n"),
        (BLOCKS, "def fold(images):\n    return images + 1\n"),
    ):
        (checkout.root / file).write_text(text)
    registry = (checkout.root / REGISTRY).read_text()
    registry = registry.replace('    "dropout_cnn"', '    "mine": Mine,\n    "dropout_cnn"')
    (checkout.root / REGISTRY).write_text(f"from pipeline.networks.mine import Mine\n{registry}")
    before = checkout.settings("mine")
    for file, old, new in (
        (MINE, "widths =", "heights ="),
        (SIZES, "8", "9"),
        (BLOCKS, "images + 1", "images - 1"),
    ):
        assert checkout.settings("mine", (file, old, new)) != before, file
    assert checkout.settings("dropout_cnn", (MINE, "widths =", "heights =")) == other
    broken = checkout.settings("mine", (MINE, "widths =", "widths : ="))
    assert broken.startswith("error: pipeline/networks/mine.py is not valid Python: ")
