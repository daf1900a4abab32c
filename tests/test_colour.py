"""Pictures in colour go the whole way: the practice competition in colour, as it is typed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.machine]


def typed(folder: Path, *words: str) -> str:
    command = [sys.executable, "-m", "pipeline", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_whole_way_in_colour(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    colour, network = "--competition=practice-colour", ("--model=two_conv_net", "--device=cpu")

    def type_(*words: str) -> str:
        return typed(tmp_path, *words)

    assert "3,200 training and 800 test images" in type_("data", colour)
    assert "10 stratified folds of 320" in type_("split", colour)
    type_("preview", colour, "--augment=affine")
    type_("train", colour, *network, "--augment=none", "--epochs=2", "--run=a")
    type_("train", colour, *network, "--augment=none", "--epochs=2", "--seed=1", "--run=b")
    said = type_(
        "train", colour, *network, "--augment=none", "--epochs=1", "--folds=all", "--run=c"
    )
    assert "10 folds, out of fold: accuracy" in said
    assert "only B right" in type_("compare", "--a=a", "--b=b", "--images")
    type_("report", colour, "--a=a", "--b=b")
    page = (tmp_path / "runs/b/report-against-a.html").read_text()
    assert "spotted triangle" in page and 'class="colour named"' in page
    type_("ensemble", "--runs=a b")
    type_("predict", colour, "--run=a")
    assert re.search(
        r"^2,(spotted|striped) \w+$", (tmp_path / "submissions/a.csv").read_text(), re.M
    )
    score = re.search(r"score +(0\.\d+) \(practice", type_("submit", colour, "--run=a"))
    assert score and 0.3 < float(score[1]) < 1
    assert "nothing found" in type_("audit", colour)
