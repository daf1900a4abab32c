"""What a recipe means on grey images, and what is said of it before it is trained on."""

from dataclasses import replace

import albumentations as A
import numpy as np
import pytest

from pipeline.augment.batched import compile_recipe
from pipeline.augment.checking import check_recipe
from pipeline.augment.grey import NOTHING_TO_DO
from pipeline.augment.registry import deserialise, serialise
from pipeline.augment.remarks import remarks
from pipeline.commands.preview import Preview
from pipeline.data.competition import get_competition
from pipeline.training.run import train_run as train
from tests import tiny
from tests.test_engines import all_images, choose

RNG = np.random.default_rng(0)


def said_of(*transforms, competition: str = "digit-recognizer") -> list[str]:
    return remarks(serialise(A.Compose(list(transforms)), "mine"), get_competition(competition))


@pytest.mark.parametrize("engine", ["auto", "albumentations"])
def test_what_only_changes_colours_costs_nothing_on_grey_images(engine):
    """pytest turns albumentations' warnings into errors."""
    colours = [getattr(A, name)(p=1) for name in NOTHING_TO_DO]
    recipe = A.Compose([*colours, A.OneOf(colours, p=1), A.HueSaturationValue(p=1)])
    check_recipe(deserialise(serialise(recipe, "mine")), (1, 28, 28))
    epochs, said = choose(recipe, engine)
    assert said.startswith("batched" if engine == "auto" else "albumentations")
    assert all_images(epochs).shape == (20, 1, 28, 28)


def test_on_grey_images_hue_and_saturation_are_nothing_and_value_is_brightness():
    recipe = A.Compose([A.HueSaturationValue(40, 40, val_shift_limit=(30, 30), p=1)])
    image = RNG.integers(0, 200, (28, 28, 1), np.uint8)
    with pytest.warns(UserWarning, match="not applicable to grayscale"):
        theirs = recipe(image=image)["image"]
    _, said = choose(recipe, "auto")
    assert said == "batched on the training device"
    np.testing.assert_array_equal(theirs, image + 30)
    (leaf,) = compile_recipe(deserialise(serialise(recipe, "mine"))).leaves
    assert leaf.transform.intervals == {"value": (30, 30)}


@pytest.mark.parametrize("name", NOTHING_TO_DO)
@pytest.mark.filterwarnings("ignore:The image is already gray")
def test_albumentations_leaves_grey_images_as_they_are_and_coloured_ones_not(name):
    transform = getattr(A, name)(p=1)
    transform.set_random_seed(1)
    for shape, same in (((28, 28, 1), True), ((28, 28, 3), False)):
        images = RNG.integers(0, 256, (6, *shape), np.uint8)
        augmented = [transform(image=image)["image"] for image in images]
        assert np.array_equal(augmented, images) is same
    text = serialise(A.Compose([transform]), "mine")
    assert type(deserialise(text).transforms[0]) is A.NoOp
    assert type(deserialise(text, num_channels=3).transforms[0]) is type(transform)


def test_what_does_nothing_keeps_its_weight_in_a_choice():
    recipe = A.Compose([A.OneOf([A.ToGray(p=0.9), A.InvertImg(p=0.1)], p=1)])
    for engine in ("auto", "albumentations"):
        epochs, _ = choose(recipe, engine)
        before = choose(A.Compose([]), engine)[0]
        rounds = range(30)
        inverted = sum(
            int((images.float() + given.float() == 255).flatten(1).all(dim=1).sum())
            for n in rounds
            for (images, _), (given, _) in zip(
                epochs.iterate(n, n + 1), before.iterate(n, n + 1), strict=True
            )
        )
        assert 30 < inverted < 95, "60 of 600 expected, standard deviation 7"


@pytest.mark.parametrize(
    ("transform", "said"),
    [
        (A.ToGray(), ["ToGray has nothing to do on grey images"]),
        (
            A.HueSaturationValue(),
            ["HueSaturationValue: hue_shift_limit and sat_shift_limit mean nothing on grey images"],
        ),
        (A.HueSaturationValue(0, 0), []),
        (
            A.Affine(translate_percent=(0.02, 0.02)),
            [
                "Affine(translate_percent) has a range of one point in x and y, 0.02: it moves "
                "every image the same way; a range has two ends"
            ],
        ),
        (
            A.Rotate((10, 10)),
            [
                "Rotate(limit) has a range of one point, 10: it turns every image the same way; a "
                "range has two ends"
            ],
        ),
        (A.Affine(), []),
        (A.Affine(scale=(1, 1), rotate=(0, 0), shear=0, translate_px=0), []),
        (A.Affine(scale=(0.9, 1.1), rotate=(-10, 10), translate_percent=(-0.1, 0.1)), []),
        (A.GaussNoise(std_range=(0.1, 0.1)), []),
        (A.CoarseDropout(num_holes_range=(1, 1), hole_height_range=(5, 5)), []),
    ],
)
def test_what_is_said_of_a_recipe(transform, said):
    assert said_of(transform, A.OneOf([A.Sequential([transform])])) == said


@pytest.mark.parametrize(
    ("transform", "named"),
    [
        (A.Affine(rotate=5), "Affine(rotate) has a range of one point, 5: it turns"),
        (A.Affine(scale=0.8), "Affine(scale) has a range of one point in x and y, 0.8: it zooms"),
        (
            A.Affine(shear={"x": (-5, 5)}),
            "Affine(shear) has a range of one point in y, 1: it slants",
        ),
        (A.Affine(translate_px=2), "Affine(translate_px) has"),
        (
            A.RandomBrightnessContrast((0.2, 0.2)),
            "(brightness_limit) has a range of one point, 0.2",
        ),
        (A.RandomGamma((80, 80)), "RandomGamma(gamma_limit) has a range of one point, 80"),
    ],
)
def test_a_range_of_one_point_is_noted(transform, named):
    (said,) = said_of(transform)
    assert named in said


def test_colours_are_no_remark_on_coloured_images():
    assert said_of(A.ToGray(), A.HueSaturationValue(), competition="cifar-10") == []


@pytest.mark.parametrize(
    ("competition", "mirrored"),
    [("digit-recognizer", True), ("emnist-letters", True), ("fashion-mnist", False)],
)
def test_a_flip_of_digits_and_letters_is_noted(competition, mirrored):
    flips = A.HorizontalFlip(), A.OneOf([A.VerticalFlip(), A.HorizontalFlip()])
    said = said_of(*flips, competition=competition)
    assert [text.split(" mirrors")[0] for text in said] == (
        ["HorizontalFlip", "VerticalFlip"] if mirrored else []
    )


def test_a_training_and_a_preview_say_it_once(tiny_workspace, monkeypatch):
    recipe = A.Compose([A.ToGray(p=1), A.Affine(translate_percent=(0.02, 0.02), p=1)])
    spec = replace(
        tiny.spec(tiny_workspace, epochs=1, folds="0,1"), recipe=serialise(recipe, "mine")
    )
    reporter = tiny.Lines()
    train(spec, tiny_workspace, reporter)
    monkeypatch.setattr(Preview, "specify_any", lambda *_: spec)
    preview = tiny.Lines()
    Preview()(tiny_workspace, preview)
    for said in (reporter, preview):
        assert said.text.count("note: ToGray has nothing to do on grey images") == 1
        assert said.text.count("note: Affine(translate_percent) has a range of one point") == 1
