"""Faults of the machine, in the real process: no space, no permission, Ctrl-C."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.console import Silent
from pipeline.settings.fields import Settings
from pipeline.training.run import train_run as train
from tests import tiny
from tests.restrained import restrained

REPOSITORY = Path(__file__).parents[1]
KNOBS = ("--device", "cpu", "--epochs", "3", "--augment", "none", "--set", "num_workers=0")


def start(
    root: Path,
    *arguments: str,
    program: tuple[str, ...] = ("-m", "pipeline"),
    largest_file: int | None = None,
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        restrained([sys.executable, *program, *arguments], largest_file=largest_file),
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=300)
    assert "Traceback" not in output
    return output


@pytest.mark.slow
def test_a_disk_without_space_ends_in_one_sentence_and_loses_nothing(tiny_workspace):
    root = tiny_workspace.root
    # A checkpoint has 4 MB; the limit stands for the disk that is full when it is written.
    process = start(root, "train", "--run", "a", *KNOBS, largest_file=1_000_000)
    output = finish(process)
    assert process.returncode == 1
    assert "error: File too large" in output
    assert "What was finished before is kept." in output
    fold = tiny_workspace.run("a").fold(0).folder
    assert not any(fold.glob("*")), "no half of a checkpoint"
    process = start(root, "train", "--run", "a", *KNOBS)
    assert "epoch 3/3" in finish(process)


def test_a_read_only_folder_ends_in_one_sentence(tiny_workspace):
    (tiny_workspace.root / "runs").mkdir(exist_ok=True)
    (tiny_workspace.root / "runs").chmod(0o555)
    process = start(tiny_workspace.root, "train", "--run", "a", *KNOBS)
    assert "error: Permission denied" in finish(process)
    assert process.returncode == 1


# As `python -m pipeline`, with a word once `main` is inside what it guards: before that, in
# Python's own start, there is no sentence to promise.
BEGINS = """
import signal, sys, pipeline.__main__ as m
read = m._read_command_line
def read_after_a_word():
    print("begun", flush=True)
    return read()
m._read_command_line = read_after_a_word
code = m.main()
signal.signal(signal.SIGINT, signal.SIG_IGN)
sys.exit(code)
"""


@pytest.mark.parametrize("stage", ["split", "predict", "plan"])
@pytest.mark.parametrize("delay_s", [0.0, 0.3, 1.5])
def test_ctrl_c_in_any_stage(tiny_workspace, stage, delay_s):
    if stage == "predict":
        train(tiny.spec(tiny_workspace, "a", epochs=1), tiny_workspace, Silent())
    knobs = () if stage == "split" else ("--run", "a", *KNOBS)
    process = start(tiny_workspace.root, stage, *knobs, program=("-c", BEGINS))
    assert process.stdout.readline() == "begun\n"
    time.sleep(delay_s)
    process.send_signal(signal.SIGINT)
    output = finish(process)
    assert process.returncode in {0, 130}, "it may have been faster than the signal"
    if process.returncode == 130:
        assert output.splitlines()[-1].startswith("error: interrupted; the same command goes on")
    assert not list(tiny_workspace.root.rglob(".*.tmp"))


def test_the_command_line_shows_every_knob_of_a_stage(tiny_workspace):
    output = finish(start(tiny_workspace.root, "train", "--help"))
    for knob in ("competition", "preset", "augment", "seed", "folds", "device", "set", "run"):
        assert f"--{knob}" in output
    output = finish(process := start(tiny_workspace.root, "trian"))
    assert process.returncode == 2
    assert "train" in output


def test_every_setting_is_listed_with_its_value(tiny_workspace):
    output = finish(start(tiny_workspace.root, "settings", "--set", "batch_size=77"))
    lines, run = output.split("\n\nthe run of these: ")
    listed = {line.split()[0]: line for line in lines.splitlines()}
    assert run.startswith("standard-")
    assert set(listed) == set(Settings.model_fields)
    assert listed["batch_size"].split()[1] == "77"
