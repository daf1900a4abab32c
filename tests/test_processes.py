"""A helper process that dies, for whatever reason, ends the command in one sentence."""

import multiprocessing
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.augment.engines import augmented_epochs
from pipeline.augment.epochs import EpochPlan
from pipeline.data.labelled_images import LabelledImages
from pipeline.errors import UserError
from pipeline.training.run import train_run as train
from tests import tiny

REPOSITORY = Path(__file__).parents[1]
BY_WORKERS = {"augment_engine": "albumentations", "augment": "affine", "num_workers": 2}


class KillsAWorker(tiny.Lines):
    """Kills a process that augments as soon as an epoch is done."""

    def line(self, text: str) -> None:
        super().line(text)
        if text.startswith("epoch"):
            multiprocessing.active_children()[0].kill()


def test_a_killed_augmentation_process_ends_the_training_at_once(tiny_workspace, capfd):
    reporter = KillsAWorker()
    with pytest.raises(
        UserError,
        match=r"^a process that augments images was ended by SIGKILL, perhaps for want of memory; "
        r'.*SET="num_workers=1"',
    ):
        train(tiny.spec(tiny_workspace, epochs=500, **BY_WORKERS), tiny_workspace, reporter)
    epochs = [line for line in reporter.lines if line.startswith("epoch")]
    assert len(epochs) <= 3, "what the worker had ready may be trained on, and no more"
    assert not multiprocessing.active_children()
    assert capfd.readouterr() == ("", ""), "nothing but the sentence"


def test_no_augmentation_process_outlives_its_epochs(tiny_workspace):
    train(tiny.spec(tiny_workspace, epochs=1, **BY_WORKERS), tiny_workspace, tiny.Lines())
    assert not multiprocessing.active_children()
    images = LabelledImages(np.zeros((40, 1, 28, 28), np.uint8), np.zeros(40), np.arange(40))
    epochs, _ = augmented_epochs(
        EpochPlan(images, seed=0, fold=0, batch_size=8),
        tiny.spec(tiny_workspace, augment="affine").recipe,
        engine="albumentations",
        fuse=True,
        device=torch.device("cpu"),
        num_workers=2,
    )
    batches = epochs.iterate(0, 100)
    next(batches)
    assert len(multiprocessing.active_children()) == 2
    del batches
    assert not multiprocessing.active_children()


@pytest.mark.slow
def test_a_full_dev_shm_is_no_hindrance(tiny_workspace):
    """Docker gives 64 MB, which a few workers fill; 64 kB stand for what is left of it."""
    mounted = "mount -t tmpfs -o size=64k tmpfs /dev/shm"
    if (
        not shutil.which("unshare")
        or subprocess.run(
            ["unshare", "--mount", "sh", "-c", mounted], capture_output=True
        ).returncode
    ):
        pytest.skip("this user may not mount a /dev/shm of its own")
    command = [
        *(sys.executable, "-m", "pipeline", "train", "--device", "cpu", "--augment", "affine"),
        *("--folds", "0,1", "--epochs", "2", "--run", "small"),
        *("--set", "batch_size=128 num_workers=2 augment_engine=albumentations jobs=2"),
    ]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", f'{mounted} && exec "$@"', "sh", *command],
        cwd=tiny_workspace.root,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert tiny_workspace.run("small").finished_folds() == [0, 1]
