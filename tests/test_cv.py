"""Folds trained in processes of their own: the same networks, and nobody left behind."""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from pipeline.console import Silent
from pipeline.errors import UserError
from pipeline.runs.results import load_out_of_fold
from pipeline.training.device import Device, choose_device
from pipeline.training.processes import choose_num_jobs
from pipeline.training.run import train_run as train
from tests import tiny

REPOSITORY = Path(__file__).parents[1]
FOLDS = {"folds": "0,1,2", "epochs": 2, "augment": "affine"}


def all_weights(workspace, run):
    paths = workspace.run(run)
    return [load_file(paths.fold(fold).weights) for fold in paths.finished_folds()]


@pytest.mark.slow
def test_folds_trained_at_once_are_those_trained_one_after_another(tiny_workspace):
    train(tiny.spec(tiny_workspace, "one", **FOLDS, jobs=1), tiny_workspace, Silent())
    reporter = tiny.Lines()
    accuracy = train(tiny.spec(tiny_workspace, "two", **FOLDS, jobs=2), tiny_workspace, reporter)

    for one, two in zip(*(all_weights(tiny_workspace, run) for run in ("one", "two")), strict=True):
        assert all(torch.equal(one[name], two[name]) for name in one)
    assert accuracy.total == 60
    valid = load_out_of_fold("two", tiny_workspace)
    assert (valid.ids[1:] > valid.ids[:-1]).all()
    assert (valid.probs == load_out_of_fold("one", tiny_workspace).probs).all()

    assert "2 folds at once, each in a process with 1 thread" in reporter.lines
    for fold in range(3):
        own = [line for line in reporter.lines if line.startswith(f"fold {fold}: ")]
        what = [line.removeprefix(f"fold {fold}: ").split()[0] for line in own]
        assert what == ["180", "epoch", "epoch", "validation"]
    assert reporter.advanced == 3 * 2 * 180
    assert reporter.text.count("Trainable params") == 1, "the network is shown once"
    assert not multiprocessing.active_children()


class KillsOne(tiny.Lines):
    """Kills a worker as soon as an epoch is done."""

    def line(self, text: str) -> None:
        super().line(text)
        if "train loss" in text:
            multiprocessing.active_children()[0].kill()


@pytest.mark.slow
def test_what_ends_one_worker_ends_all_and_says_why(tiny_workspace):
    long = {"folds": "0,1", "epochs": 500, "jobs": 2}
    with pytest.raises(UserError, match=r"a training process was ended by SIGKILL.*JOBS=1"):
        train(tiny.spec(tiny_workspace, "killed", **long), tiny_workspace, KillsOne())
    assert not multiprocessing.active_children()

    broken = tiny_workspace.run("broken").fold(1)
    broken.folder.mkdir(parents=True)
    broken.checkpoint.write_bytes(b"not a checkpoint")
    with pytest.raises(UserError, match=r"fold1/last\.pt holds something else"):
        train(tiny.spec(tiny_workspace, "broken", **long), tiny_workspace, Silent())
    assert not multiprocessing.active_children()
    assert not list(tiny_workspace.root.rglob("oof.npz")), "nothing passes for finished"


def start(workspace):
    command = [
        *(sys.executable, "-m", "pipeline", "train", "--device", "cpu", "--augment", "none"),
        *("--folds", "0,1", "--epochs", "1000", "--run", "ended"),
        *("--set", "batch_size=16 num_workers=0 jobs=2"),
    ]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "2"}
    return subprocess.Popen(
        command,
        cwd=workspace.root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("how", ["ctrl-c", "kill -9"])
def test_whatever_ends_the_parent_ends_the_workers(tiny_workspace, how):
    checkpoints = [tiny_workspace.run("ended").fold(fold).checkpoint for fold in (0, 1)]
    process = start(tiny_workspace)
    try:
        while process.poll() is None and not all(path.exists() for path in checkpoints):
            time.sleep(0.02)
        if how == "ctrl-c":
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers as well
        else:
            process.kill()
        # Reads to the end: the workers hold the other ends of this pipe as long as they live.
        output, _ = process.communicate(timeout=60)
        assert "Traceback" not in output
        assert not checkpoints[0].with_name("oof.npz").exists(), "it was ended before its end"
        if how == "ctrl-c":
            assert process.returncode == 130
            assert output.splitlines()[-1].startswith("error: interrupted")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def test_as_many_at_once_as_there_are_cores_or_gpus(monkeypatch):
    cpu, gpu = choose_device("cpu"), Device(torch.device("cuda"), torch.bfloat16, "some GPU")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    assert choose_num_jobs("auto", cpu, 10) == 4
    assert choose_num_jobs("auto", cpu, 3) == 3
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_num_jobs("auto", gpu, 10) == 2
    assert choose_num_jobs("auto", gpu, 1) == 1
    assert choose_num_jobs(3, gpu, 10) == 3
    assert choose_num_jobs(7, cpu, 5) == 5
