"""Which engine runs a recipe, and that a training hears of it."""

from dataclasses import replace

import albumentations as A
import numpy as np
import pytest
import torch

from pipeline.augment.engines import augmented_epochs
from pipeline.augment.epochs import EpochPlan
from pipeline.augment.registry import serialise
from pipeline.data.labelled_images import LabelledImages
from pipeline.errors import UserError
from pipeline.training.run import train_run as train
from tests import tiny

pytestmark = pytest.mark.machine

RNG = np.random.default_rng(0)
IMAGES = LabelledImages(
    RNG.integers(0, 256, (20, 1, 28, 28), np.uint8), np.arange(20) % 10, np.arange(20)
)


COLOURED = replace(IMAGES, images=RNG.integers(0, 256, (20, 3, 32, 30), np.uint8))


def choose(
    recipe: A.Compose,
    engine: str,
    *,
    fuse: bool = True,
    num_workers: int = 0,
    given: LabelledImages = IMAGES,
):
    return augmented_epochs(
        EpochPlan(given, seed=0, fold=0, batch_size=8),
        serialise(recipe, "mine"),
        engine=engine,
        fuse=fuse,
        device=torch.device("cpu"),
        num_workers=num_workers,
    )


def all_images(epochs) -> torch.Tensor:
    return torch.cat([images for images, _ in epochs.iterate(0, 1)])


def test_a_recipe_that_compiles_runs_batched():
    epochs, said = choose(A.Compose([A.Affine(rotate=(-5, 5))]), "auto")
    assert said == "batched on the training device"
    assert all_images(epochs).shape == (20, 1, 28, 28)


def test_images_in_colour_run_batched_and_mean_the_same():
    way = [A.Resize(40, 40), A.ToSepia(p=1), A.HorizontalFlip(p=1), A.Resize(32, 30)]
    batched, said = choose(A.Compose(way), "auto", given=COLOURED)
    assert said == "batched on the training device"
    workers, _ = choose(A.Compose(way), "albumentations", given=COLOURED)
    ours, theirs = (all_images(epochs).float() for epochs in (batched, workers))
    assert ours.shape == (20, 3, 32, 30)
    assert (ours - theirs).abs().max() <= 3  # each of three steps may round by one level


@pytest.mark.parametrize(
    ("step", "named"),
    [(A.MotionBlur(p=1), "MotionBlur"), (A.Affine(fit_output=True, p=1), "fit_output")],
)
def test_what_does_not_compile_runs_through_albumentations_and_says_why(step, named):
    recipe = A.Compose([A.Rotate(limit=5), step])
    epochs, said = choose(recipe, "auto")
    assert named in said
    assert "images/s" in said
    assert all_images(epochs).shape == (20, 1, 28, 28)
    with pytest.raises(UserError, match=f"AUGMENT_ENGINE=batched cannot run .*{named}"):
        choose(recipe, "batched")


def test_albumentations_can_be_asked_for():
    _, said = choose(A.Compose([A.Affine()]), "albumentations")
    assert "as asked" in said


@pytest.mark.parametrize("step", [A.Morphological(p=1), A.GaussianBlur(p=1), A.CoarseDropout(p=1)])
def test_transforms_that_drop_the_channel_are_given_it_back(step):
    epochs, _ = choose(A.Compose([step]), "albumentations")
    found = all_images(epochs)
    assert found.shape == (20, 1, 28, 28)
    assert found.float().std() > 1


def run_through(recipe, num_workers):
    epochs, _ = choose(recipe, "albumentations", num_workers=num_workers)
    for _ in epochs.iterate(0, 10):
        pass


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize(
    ("step", "said"),
    [
        (A.ToFloat(p=0.2), r"into float32 \(28, 28, 1\), by ToFloat; it must keep type and shape"),
        (A.Resize(14, 56, p=0.2), r"into uint8 \(14, 56, 1\), by Resize; it must keep"),
        (A.RandomCrop(40, 40, p=0.2), "the recipe's RandomCrop failed on a uint8"),
    ],
)
def test_a_wrong_image_ends_the_training_in_one_sentence(step, said, num_workers):
    recipe = A.Compose([A.HorizontalFlip(), A.OneOf([A.Sequential([step], p=0.5)]), A.Rotate(p=1)])
    with pytest.raises(UserError, match=said) as error:
        run_through(recipe, num_workers)
    assert "\n" not in str(error.value)


def test_a_recipe_that_may_go_wrong_is_refused_before_anything_is_trained(tiny_workspace):
    spec = tiny.spec(tiny_workspace)
    faulty = serialise(A.Compose([A.ToFloat(max_value=255, p=0.02)]), "mine")
    with pytest.raises(UserError, match="by ToFloat; it must keep type and shape"):
        train(replace(spec, recipe=faulty), tiny_workspace, tiny.Lines())
    assert not tiny_workspace.run(spec.name).folder.exists()


def test_both_engines_see_the_same_images_in_the_same_order():
    nothing = A.Compose([])
    batched, albumentations = (choose(nothing, e)[0] for e in ("batched", "albumentations"))
    for mine, theirs in zip(batched.iterate(0, 2), albumentations.iterate(0, 2), strict=True):
        assert torch.equal(mine[0].to(torch.uint8), theirs[0])
        assert torch.equal(mine[1], theirs[1])


def test_fusion_can_be_turned_off():
    recipe = A.Compose([A.Rotate(limit=20, p=1), A.Affine(scale=0.8, p=1)])
    fused, sequential = (all_images(choose(recipe, "batched", fuse=f)[0]) for f in (True, False))
    assert not torch.equal(fused, sequential)
    assert (fused - sequential).abs().mean() < 20, "the same draws, resampled once or twice"


def test_a_training_says_once_what_augments(tiny_workspace):
    reporter = tiny.Lines()
    train(tiny.spec(tiny_workspace, epochs=1, folds="0,1"), tiny_workspace, reporter)
    assert reporter.text.count("augmentation: ") == 1
