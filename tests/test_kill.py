"""A training killed with -9 at any point goes on, and ends with the very same weights."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from safetensors.torch import load_file

from pipeline.commands.train import Train
from pipeline.console import Silent
from pipeline.runs.history import read_history
from pipeline.runs.workspace import Workspace

REPOSITORY = Path(__file__).parents[1]
SET = "batch_size=16 num_workers=1 augment_engine=albumentations"
KNOBS = ("--augment", "affine", "--device", "cpu", "--epochs", "20", "--set", SET, "--run")


def start(workspace: Workspace, run: str) -> subprocess.Popen[bytes]:
    # One thread: sums come out in the same order whatever else the machine is doing.
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline", "train", *KNOBS, run],
        cwd=workspace.root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def train_here(workspace: Workspace, run: str) -> None:
    """The same command without a process of its own."""
    Train(augment="affine", device="cpu", epochs="20", set=SET, run=run)(workspace, Silent())


def test_kill_at_random_points_then_resume(tiny_workspace):
    train_here(tiny_workspace, "undisturbed")
    history = read_history(tiny_workspace.run("undisturbed").fold(0).history)
    epoch_s = sum(epoch.elapsed_s for epoch in history) / len(history)

    rng = random.Random(os.environ.get("PYTEST_XDIST_TESTRUNUID", "0"))
    fold = tiny_workspace.run("killed").fold(0)
    kills = 0
    while kills < 2:
        process = start(tiny_workspace, "killed")
        # Let it get one epoch further, then strike somewhere in the next one or two.
        seen = fold.checkpoint.stat().st_mtime_ns if fold.checkpoint.exists() else 0
        while process.poll() is None and not (
            fold.checkpoint.exists() and fold.checkpoint.stat().st_mtime_ns > seen
        ):
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 1.5 * epoch_s))
        if process.poll() is not None:
            process.communicate()
            break
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        kills += 1
        assert not fold.oof.exists() or load_file(fold.weights), "what exists is whole"
    assert kills == 2, "it was killed before it was done"

    train_here(tiny_workspace, "killed")
    expected = load_file(tiny_workspace.run("undisturbed").fold(0).weights)
    found = load_file(fold.weights)
    assert all((expected[name] == found[name]).all() for name in expected)
    assert not list(tiny_workspace.root.rglob(".*.tmp")), "nothing half-written is left"


def test_ctrl_c_ends_in_one_sentence(tiny_workspace):
    process = start(tiny_workspace, "interrupted")
    fold = tiny_workspace.run("interrupted").fold(0)
    while process.poll() is None and not fold.checkpoint.exists():
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers as well
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert b"error: interrupted" in output
    assert b"Traceback" not in output
