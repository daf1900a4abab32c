"""`p` and the combinators fire at albumentations' rates, for every image on its own.

Each transform in these recipes does simple arithmetic on a black image, so the value that comes
out tells which have fired, how often, and in which order.
"""

from collections import Counter

import albumentations as A
import numpy as np
import pytest
import torch
from scipy import stats

from pipeline.augment.batched import compile_recipe, image_keys

NUM_THEIRS, NUM_OURS = 6000, 40_000
FALSE_ALARM = 1e-3


def add(amount: int, p: float = 1.0) -> A.BasicTransform:
    # Half a level more, so that cutting to a whole number never takes one away.
    beta = (amount + 0.5) / 255
    return A.RandomBrightnessContrast((beta, beta), (0, 0), p=p)


def double(p: float = 1.0) -> A.BasicTransform:
    return A.RandomBrightnessContrast((0, 0), (1, 1), p=p)


RECIPES = {
    "p": [add(1, 0.3), add(2, 0.8), add(4, 0.0), add(8, 1.0)],
    "sequential": [A.Sequential([add(1, 0.5), add(2, 0.5)], p=0.4), add(4, 0.5)],
    "compose in compose": [A.Compose([add(1, 0.5), A.NoOp(), add(2)], p=0.25), add(4, 0.5)],
    "one of": [A.OneOf([add(1, 0.1), add(2, 0.5), add(4, 0.0), add(8, 0.9)], p=0.7)],
    "one of, certain": [A.OneOf([add(1), A.NoOp(p=1.0), add(2)], p=1)],
    "one of groups": [
        A.OneOf([A.Sequential([add(1, 0.5), add(2)], p=0.1), A.SomeOf([add(4)], n=1, p=0.3)], p=0.9)
    ],
    "some of": [A.SomeOf([add(1, 0.4), add(2), add(4), double(0.5)], n=2, p=0.8)],
    "some of, replace": [A.SomeOf([add(1, 0.9), add(10, 0.4), double()], n=3, replace=True)],
    "random order": [A.RandomOrder([add(1), double(0.8), add(5, 0.6)], n=3, p=0.9)],
    "random order, two": [add(3), A.RandomOrder([add(1), double(), add(5)], n=2, p=1)],
    "random order, replace": [A.RandomOrder([add(1), double()], n=4, replace=True)],
    "nested": [
        A.OneOf(
            [A.RandomOrder([add(1), A.OneOf([double(), add(7)], p=0.5)], n=2), add(20, 0.5)], p=0.8
        ),
        add(40, 0.5),
    ],
}


def ours(transforms: list, num_images: int = NUM_OURS, epoch: int = 0, p: float = 1.0):
    recipe = compile_recipe(A.Compose(transforms, p=p))
    images = torch.zeros(num_images, 1, 1, 1, dtype=torch.uint8)
    keys = image_keys(0, epoch, torch.arange(num_images))
    return recipe(images, keys)[:, 0, 0, 0].numpy()


@pytest.mark.parametrize("name", RECIPES)
def test_same_rates(name):
    recipe = A.Compose(RECIPES[name], p=0.95)
    recipe.set_random_state(np.random.default_rng(3), __import__("random").Random(3))
    image = np.zeros((1, 1, 1), np.uint8)
    theirs = Counter(int(recipe(image=image)["image"][0, 0, 0]) for _ in range(NUM_THEIRS))
    mine = Counter(ours(RECIPES[name], p=0.95).tolist())
    outcomes = sorted(set(theirs) | set(mine))
    # Outcomes too rare for a chi-square test are counted together.
    frequent = [o for o in outcomes if theirs[o] >= 5]
    rare = [[sum(c[o] for o in outcomes if o not in frequent)] for c in (theirs, mine)]
    table = np.array(
        [[c[o] for o in frequent] + r for c, r in zip((theirs, mine), rare, strict=True)]
    )
    table = table[:, table.sum(axis=0) > 0]
    assert len(frequent) > 1
    assert rare[1][0] < 0.01 * NUM_OURS
    assert stats.chi2_contingency(table).pvalue > FALSE_ALARM / len(RECIPES)


def test_exact_rates():
    fired = ours(RECIPES["p"])
    for bit, p in ((1, 0.3), (2, 0.8)):
        rate = ((fired & bit) > 0).sum()
        assert stats.binomtest(int(rate), NUM_OURS, p).pvalue > FALSE_ALARM
    assert not (fired & 4).any()
    assert (fired & 8).all()


@pytest.mark.parametrize("name", ["p", "one of", "some of", "random order", "nested"])
def test_images_and_epochs_are_independent(name):
    first, second = ours(RECIPES[name]), ours(RECIPES[name], epoch=1)
    for a, b in ((first[:-1:2], first[1::2]), (first, second)):
        codes = np.unique(first, return_inverse=True)[1].max() + 1
        values = {v: i for i, v in enumerate(np.unique(np.concatenate([a, b])))}
        table = np.zeros((len(values), len(values)))
        np.add.at(table, ([values[v] for v in a], [values[v] for v in b]), 1)
        common = table.sum(axis=1) > 300
        assert codes > 1
        assert stats.chi2_contingency(table[common][:, common]).pvalue > FALSE_ALARM / 10


def test_masked_and_selected_images_are_the_same(monkeypatch):
    """On a GPU a transform runs on all images and a mask chooses; on the CPU on the chosen ones."""
    transforms = [A.GaussNoise(p=0.4), A.ColorJitter(p=0.7), A.CoarseDropout(p=0.5)]
    recipe = compile_recipe(
        A.Compose([*transforms, A.OneOf([A.InvertImg(), double()])]), num_channels=3
    )
    images = torch.randint(0, 256, (64, 3, 28, 28), dtype=torch.uint8)
    keys = image_keys(0, 0, torch.arange(64))
    on_chosen = recipe(images, keys)
    for module in ("compiled", "colour"):
        where = f"pipeline.augment.batched.{module}.selects_images"
        monkeypatch.setattr(where, lambda device: False)
    assert torch.equal(recipe(images, keys), on_chosen)
