"""Recipes: found by name, kept as text, and their faults blamed on the right line."""

import json

import albumentations as A
import numpy as np
import pytest

from pipeline.augment import recipes, registry
from pipeline.augment.checking import check_recipe
from pipeline.augment.ranges import sweep_over
from pipeline.errors import UserError


@pytest.mark.parametrize("name", ["none", "affine", "elastic", "erase"])
def test_the_recipes_that_ship_build_run_and_replay_from_their_text(name):
    recipe = registry.build_recipe(name)
    check_recipe(recipe, (1, 28, 28))
    text = registry.serialise(recipe, name)
    again = registry.deserialise(text)
    assert registry.serialise(again, name) == text
    image = np.random.default_rng(0).integers(0, 256, (28, 28, 1), np.uint8)
    for each in (recipe, again):
        each.set_random_seed(11)
    np.testing.assert_array_equal(recipe(image=image)["image"], again(image=image)["image"])


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


@pytest.mark.filterwarnings("ignore:Using lambda")
def test_a_recipe_that_cannot_be_stored_is_refused():
    recipe = A.Compose([A.Lambda(image=lambda image, **_: image)])
    with pytest.raises(UserError, match="cannot be stored with the run"):
        registry.serialise(recipe, "mine")


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
