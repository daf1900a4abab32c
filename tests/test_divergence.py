"""A loss or a pixel that is no number ends the training where it first appears."""

import pytest
import torch

from pipeline.augment.batched import BatchedRecipe
from pipeline.errors import UserError
from pipeline.networks import MODELS
from pipeline.networks.reference import DropoutCNN
from pipeline.runs.history import read_history
from pipeline.runs.weights import load_checkpoint
from pipeline.runs.workspace import FoldPaths
from pipeline.training.run import train_run as train
from tests import tiny

STEPS = 12  # of an epoch: 180 images in batches of 16


def diverging(at_step: int, what: str) -> type[DropoutCNN]:
    """A network whose logits or gradients are no numbers from one step on, counted from 1."""

    class Diverging(DropoutCNN):
        step = 0

        def head(self, features: torch.Tensor) -> torch.Tensor:
            logits = super().head(features)
            self.step += self.training
            if not self.training or self.step < at_step:
                return logits
            if what == "gradients":
                logits.register_hook(lambda gradient: gradient * torch.nan)
            return logits * torch.nan if what == "logits" else logits

    return Diverging


def end(workspace, **overrides) -> tuple[str, FoldPaths]:
    """Train until it ends in a sentence; return that, and the fold's files."""
    spec = tiny.spec(workspace, **overrides)
    with pytest.raises(UserError) as told:
        train(spec, workspace, tiny.Lines())
    paths = workspace.run("tiny").fold(spec.settings.fold_numbers[0])
    assert not paths.weights.exists() and not paths.oof.exists(), "nothing passes for finished"
    assert not workspace.run("tiny").oof.exists()
    return str(told.value), paths


@pytest.mark.parametrize("augment_engine", ["batched", "albumentations"])
def test_a_loss_that_is_no_number_ends_the_training_there(
    tiny_workspace, monkeypatch, augment_engine
):
    monkeypatch.setitem(MODELS, "dropout_cnn", diverging(2 * STEPS + 5, "logits"))
    said, paths = end(tiny_workspace, augment_engine=augment_engine)
    assert said == (
        "fold 0, epoch 3, step 5: the loss is no number any more, the training has diverged; lower "
        'the learning rate of 0.002, as in SET="learning_rate=0.00067".'
    )
    assert len(load_checkpoint(paths.checkpoint)["history"]) == 2, "the last good epoch's"
    assert len(read_history(paths.history)) == 2


@pytest.mark.parametrize(("folds", "name"), [("0", "fold 0"), ("all-data", "all data")])
def test_so_do_weights_that_the_last_step_leaves_no_numbers(
    tiny_workspace, monkeypatch, folds, name
):
    num_steps = STEPS if folds == "0" else 13
    monkeypatch.setitem(MODELS, "dropout_cnn", diverging(num_steps, "gradients"))
    said, paths = end(tiny_workspace, epochs=1, folds=folds)
    assert said.startswith(f"{name}, epoch 1, after its last step: the loss is no number any more")
    assert not paths.checkpoint.exists()


def test_a_network_that_makes_no_numbers_at_once_is_blamed(tiny_workspace, monkeypatch):
    monkeypatch.setitem(MODELS, "dropout_cnn", diverging(1, "logits"))
    said, _ = end(tiny_workspace)
    assert said.startswith("fold 0, epoch 1, step 1: ")
    assert "look in the network 'dropout_cnn' of pipeline/networks/" in said


def test_pixels_that_are_no_numbers_are_the_augmentations(tiny_workspace, monkeypatch):
    def augment(self, images, keys, *, dtype):
        return torch.full(images.shape, torch.nan, dtype=dtype)

    # No recipe is known to do so: limits that are no numbers are refused before.
    monkeypatch.setattr(BatchedRecipe, "__call__", augment)
    spec = tiny.spec(tiny_workspace, augment="affine")
    with pytest.raises(
        UserError, match="the augmentation makes pixels that are no numbers"
    ) as told:
        train(spec, tiny_workspace, tiny.Lines())
    assert "'affine' of pipeline/augment/recipes.py" in str(told.value)
    assert not any(tiny_workspace.run("tiny").folder.rglob("*.pt"))
