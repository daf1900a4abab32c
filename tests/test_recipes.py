"""Recipes: found by name, kept as text, and their faults blamed on the right line."""

import json
import math
import re

import albumentations as A
import numpy as np
import pytest
import torch

from pipeline.augment import recipes, registry
from pipeline.augment.batched import compile_recipe, image_keys
from pipeline.augment.blame import SUCCESSORS
from pipeline.augment.checking import check_recipe
from pipeline.augment.ranges import sweep_over
from pipeline.errors import UserError


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)])
@pytest.mark.parametrize("name", ["none", "affine", "elastic", "erase", "crop_flip", "photo"])
def test_the_recipes_that_ship_build_run_and_replay_from_their_text(name, shape):
    recipe = registry.build_recipe(name)
    check_recipe(recipe, shape)
    text = registry.serialise(recipe, name)
    again = registry.deserialise(text)
    assert registry.serialise(again, name) == text
    image = np.random.default_rng(0).integers(0, 256, (*shape[1:], shape[0]), np.uint8)
    for each in (recipe, again):
        each.set_random_seed(11)
    np.testing.assert_array_equal(recipe(image=image)["image"], again(image=image)["image"])


def test_to_move_with_a_mirror_image_around_is_to_pad_and_crop():
    image = np.random.default_rng(0).integers(0, 256, (3, 9, 12), np.uint8)
    padded = np.pad(image, ((0, 0), (4, 4), (4, 4)), mode="reflect")
    crops = [padded[:, y : y + 9, x : x + 12] for y in range(9) for x in range(9)]
    expected = {each.tobytes() for crop in crops for each in (crop, crop[..., ::-1])}
    compiled = compile_recipe(registry.build_recipe("crop_flip"), size=(9, 12), num_channels=3)
    images = torch.from_numpy(image).expand(3000, -1, -1, -1)
    shown = compiled(images, image_keys(0, 0, torch.arange(3000))).numpy()
    assert {each.tobytes() for each in shown} == expected


def test_an_unknown_recipe_is_named_with_the_known_ones():
    with pytest.raises(UserError, match="AUGMENT='nope' is not known; choose one of: none, affine"):
        registry.build_recipe("nope")


def faulty(monkeypatch, function):
    function.__module__ = recipes.__name__
    monkeypatch.setattr(recipes, "mine", function, raising=False)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda: A.Compose([A.Affine(rotat=3)]), r"'rotat' are not valid for transform Affine"),
        (lambda: A.Compose([A.Affine(scale="x")]), "recipe 'mine'.*scale"),
        (lambda: A.NoSuchThing(), "recipe 'mine'.*NoSuchThing"),
        (lambda: A.Affine(), "returned Affine; it must return an albumentations.Compose"),
        (lambda: 1 / 0, "recipe 'mine'.*ZeroDivisionError"),
    ],
)
def test_a_faulty_recipe_ends_in_one_sentence(monkeypatch, function, said):
    faulty(monkeypatch, function)
    with pytest.raises(UserError, match=said) as error:
        registry.build_recipe("mine")
    assert "\n" not in str(error.value)


def unchanged(image, **params):
    return image


class Mine(A.ImageOnlyTransform):
    def apply(self, img, **params):
        return img


UNSTORABLE = [
    (A.Lambda(image=unchanged), "Lambda is code of your own"),
    (A.Lambda(name="x", image=unchanged), "Lambda is code of your own"),
    (Mine(p=1), "Mine is code of your own"),
    (
        A.SelectiveChannelTransform([A.Rotate()], channels=[0]),
        "albumentations forgets the channels",
    ),
    (A.HistogramMatching(), "HistogramMatching cannot be reliably serialized"),
]


@pytest.mark.parametrize(("step", "said"), UNSTORABLE, ids=lambda v: v if type(v) is str else "")
def test_a_recipe_that_cannot_be_stored_is_refused(step, said):
    recipe = A.Compose([A.Rotate(), A.OneOf([A.Sequential([step])])])
    with pytest.raises(UserError, match=f"'mine' cannot be stored with the run: {said}") as error:
        registry.serialise(recipe, "mine")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("step", "named"),
    [
        (lambda: A.Rotate((math.nan, 10)), r"Rotate\(limit=\(nan, nan\)\)"),
        (lambda: A.Affine(shear={"x": (0, math.inf)}), r"Affine\(shear=\{'x': \(0.0, inf\)"),
        (
            lambda: A.RandomBrightnessContrast(math.inf),
            r"RandomBrightnessContrast\(bright",
        ),
        (lambda: A.Affine(fill=-math.inf), r"Affine\(fill=-inf\)"),
        (lambda: A.OneOf([A.NoOp()], p=math.nan), r"OneOf\(p=nan\)"),
    ],
)
def test_what_is_no_number_is_refused_by_name(step, named):
    recipe = A.Compose([A.SomeOf([step()], n=1)])
    with pytest.raises(UserError, match=f"recipe 'mine': {named}.* must be made of finite numbers"):
        registry.serialise(recipe, "mine")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (lambda: A.CoarseDropout(max_holes=8), "max_holes is now num_holes_range"),
        (lambda: A.Affine(value=0), "value is now fill"),
        (
            lambda: A.Rotate(border_mode=0, value=0, mask_value=0),
            "value is now fill; mask_",
        ),
        (lambda: A.ElasticTransform(alpha_affine=3), "alpha_affine is now an A.Affine before it"),
        (lambda: A.GaussNoise(var_limit=(10, 50)), "var_limit is now std_range, the square root"),
        (lambda: A.Perspective(pad_mode=0), "pad_mode is now border_mode"),
        (lambda: A.GridDropout(holes_number_x=3), "holes_number_x is now holes_number_xy"),
        (lambda: A.HorizontalFlip(always_apply=True), "always_apply is now p=1"),
    ],
)
def test_an_argument_of_old_is_refused_with_its_successor(monkeypatch, written, said):
    faulty(monkeypatch, lambda: A.Compose([written()]))
    with pytest.raises(UserError, match=rf"recipe 'mine'.* since albumentations 2.0: .*{said}"):
        registry.build_recipe("mine")


def test_the_successors_are_arguments_of_today():
    transforms = [each for each in vars(A).values() if hasattr(each, "InitSchema")]
    known = {name for each in transforms for name in each.InitSchema.model_fields}
    for name, successor in SUCCESSORS.items():
        new = re.split(r"[=, ]", successor)[0]
        assert new in known or successor.startswith("an A."), name


RARE = [
    A.ToFloat(max_value=255, p=0.02),
    A.Normalize(mean=0, std=1, p=0.02),
    A.RandomScale(0.2, p=0.02),
    A.RandomCrop(21, 21, p=0.02),
    A.Resize(14, 56, p=0.02),
]


@pytest.mark.parametrize("step", [A.Crop(0, 0, 20, 20, p=1), *RARE], ids=lambda t: type(t).__name__)
@pytest.mark.parametrize(
    "within",
    [
        lambda step: step,
        lambda step: A.OneOf([A.HorizontalFlip(p=0.99), step], p=0.1),
        lambda step: A.SomeOf([A.HorizontalFlip(), A.VerticalFlip(), step], n=1, p=0.1),
        lambda step: A.SomeOf([A.NoOp(), step], n=2, replace=True, p=0.1),
        lambda step: A.RandomOrder([A.NoOp(), A.Rotate(p=1), step], n=2, p=0.1),
        lambda step: A.Sequential([A.Rotate(), step, A.HorizontalFlip()], p=0.1),
        lambda step: A.OneOrOther(A.NoOp(), A.Compose([step]), p=0.99),
    ],
)
def test_a_recipe_that_may_change_shape_or_type_is_refused_each_time(step, within):
    for _ in range(2):
        with pytest.raises(UserError, match="it must keep type and shape") as error:
            check_recipe(A.Compose([A.Affine(), within(step)]), (1, 28, 28))
        assert f", by {type(step).__name__}; " in str(error.value)


@pytest.mark.parametrize(
    "steps",
    [
        [A.PadIfNeeded(32, 32, p=1), A.RandomCrop(28, 28, p=1)],
        [A.PadIfNeeded(32, 32, p=0.1), A.RandomCrop(28, 28, p=1)],
        [A.RandomScale(0.2, p=0.5), A.Resize(28, 28, p=1)],
        [A.Sequential([A.Resize(40, 40, p=1), A.Rotate(), A.CenterCrop(28, 28, p=1)], p=0.3)],
        [A.SomeOf([A.Resize(40, 40, p=1), A.CenterCrop(28, 28, p=1)], n=2, p=0.5)],
        [A.OneOf([A.Resize(40, 40), A.Resize(30, 30)], p=1), A.RandomCrop(28, 28, p=1)],
        [A.ToFloat(p=1), A.FromFloat(dtype="uint8", p=1)],
        [A.OneOf([A.RandomCrop(21, 21, p=0), A.NoOp(p=0.1)]), A.RandomCrop(21, 21, p=0)],
        [A.OneOf([]), A.Compose([A.RandomCrop(21, 21, p=1)], p=0)],
    ],
)
def test_what_comes_out_as_it_went_in_is_fine(steps):
    check_recipe(A.Compose(steps), (1, 28, 28))


@pytest.mark.parametrize("p", [0.01, 1])
def test_a_transform_that_fails_is_named(p):
    for _ in range(2):
        with pytest.raises(
            UserError, match=r"the recipe's RandomCrop failed on a uint8 \(28, 28, 1"
        ):
            check_recipe(A.Compose([A.Rotate(), A.RandomCrop(40, 40, p=p)]), (1, 28, 28))


@pytest.mark.parametrize("text", ["", "{}", "[1]", json.dumps({"transform": {"x": 1}})])
def test_a_stored_text_that_is_no_recipe_is_refused(text):
    with pytest.raises(UserError, match="the stored recipe"):
        registry.deserialise(text)


def test_what_a_recipe_declares_is_what_its_arguments_are():
    assert registry.recipe_ranges("none") == {}
    assert registry.recipe_ranges("elastic")["p"] == ((0.0, 1.0), 0.7)
    for name in ("affine", "elastic", "strong", "erase"):
        for end in (0, 1):
            ends = {key: allowed[end] for key, (allowed, _) in registry.recipe_ranges(name).items()}
            recipe = registry.build_recipe(name, ends)
            check_recipe(registry.deserialise(registry.serialise(recipe, name)), (1, 28, 28))


@pytest.mark.parametrize(
    ("ranges", "said"),
    [
        ({"beta": (0, 1)}, "has no argument beta with a default"),
        ({"bare": (0, 1)}, "has no argument bare with a default"),
        ({"alpha": (5, 5)}, "the range of mine's alpha is empty: 5 to 5"),
        ({"alpha": (5, 20)}, "mine's alpha is 30, which is not in its range 5 to 20"),
        ({"alpha": [10, 20]}, r"mine's alpha is 30, which is not among \[10, 20\]"),
    ],
)
def test_a_range_that_does_not_fit_the_recipe_is_refused(ranges, said):
    def mine(bare, alpha=30):
        return A.Compose([])

    with pytest.raises((TypeError, ValueError), match=said):
        sweep_over(**ranges)(mine)
