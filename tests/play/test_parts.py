"""What the page is made of: controls, Python text, drawings as digits, networks that read."""

import random

import albumentations as A
import numpy as np
import pytest
import torch

from pipeline.augment.registry import recipe_functions, serialise
from pipeline.data.preprocessing import Preprocessing
from pipeline.networks.layers import Classifier
from pipeline.play import controls, keep, sheet
from pipeline.play.draft import ADDABLE, Draft, Part, describe, make
from pipeline.play.hand import as_digit
from pipeline.play.readers import Network, Reader
from pipeline.training.device import choose_device

GREY, COLOURED = (1, 28, 28), (3, 28, 28)
every_transform = pytest.mark.parametrize("name", ADDABLE)


def draft_of(name, **change):
    return Draft(recipe="none", parts=[Part(name=name, change={"p": 1} | change)])


def with_end(control, place, value):
    """A control's value with one of its sliders elsewhere, its range made to fit."""
    numbers = [end["value"] for end in control["ends"]]
    numbers[place] = value
    if control["kind"] == "number":
        return value
    for low in range(0, len(numbers), 2):
        pair = numbers[low : low + 2]
        other = 1 - place % 2
        if low == place - place % 2 and pair[0] > pair[1]:
            pair[other] = value
        numbers[low : low + 2] = pair
    pairs = [tuple(numbers[low : low + 2]) for low in range(0, len(numbers), 2)]
    return (
        pairs[0] if control["kind"] == "range" else dict(zip(control["keys"], pairs, strict=True))
    )


@every_transform
def test_a_slider_ends_where_albumentations_or_the_compiler_does(name):
    (node,) = make(draft_of(name), GREY).nodes
    for control in controls.of_transform(node.kind, node.arguments, GREY):
        for place, end in enumerate(control.get("ends", [])):
            assert end["low"] <= end["value"] <= end["high"]
            for bound, step in ((end["least"], -1), (end["most"], 1)):
                if bound is None:
                    continue
                if not control["name"].startswith("hole_"):  # which has to fit the other side, too
                    (at,) = make(
                        draft_of(name, **{control["name"]: with_end(control, place, bound)}), GREY
                    ).nodes
                    assert not at.errors
                    assert [
                        why
                        for why in at.slow
                        if f"({control['name']}=" in why
                        and "together" not in why
                        and "never fits" not in why
                        and "no width" not in why
                    ] == []
                beyond = bound + step
                (out,) = make(
                    draft_of(name, **{control["name"]: with_end(control, place, beyond)}), GREY
                ).nodes
                assert out.errors or out.slow, f"{control['name']} goes on beyond {bound}"


@pytest.mark.parametrize("recipe", ["none", "affine", "elastic", "strong", "erase"])
def test_the_recipes_that_ship_have_the_controls_that_they_declare(recipe):
    made = make(Draft(recipe=recipe), GREY)
    assert made.text is not None
    declared = getattr(recipe_functions()[recipe], "sweep_ranges", {})
    assert {
        each["name"]: (each["ends"][0]["least"], each["ends"][0]["most"]) for each in made.controls
    } == declared


@pytest.mark.filterwarnings("ignore:ShiftScaleRotate is a special case")
@every_transform
def test_python_means_what_was_shown(name):
    drawn = random.Random(name)
    for _ in range(3):
        (node,) = make(draft_of(name), GREY).nodes
        change = {"p": 0.3}
        for control in controls.of_transform(node.kind, node.arguments, GREY):
            if drawn.random() < 0.5:
                continue
            if "choices" in control:
                change[control["name"]] = drawn.choice(control["choices"])[0]
            elif control["kind"] == "switch":
                change[control["name"]] = not control["value"]
            elif "ends" in control and control["name"] != "p":
                place = drawn.randrange(len(control["ends"]))
                end = control["ends"][place]
                value = round(drawn.uniform(end["low"], end["high"]), 3)
                change[control["name"]] = with_end(
                    control, place, int(value) if end["whole"] else value
                )
        made = make(draft_of(name, **change), GREY)
        if made.text is None:  # a pair of ends, or of arguments, that does not go together
            continue
        scope = {"A": A}
        exec(keep.as_python(made.text, "mine", "It."), scope)
        assert serialise(scope["mine"](), "mine") == made.text


def test_python_of_combinators_means_what_was_shown():
    recipe = A.Compose(
        [
            A.OneOf([A.HorizontalFlip(p=1), A.Sequential([A.InvertImg(p=0.2)], p=0.7)], p=0.4),
            A.SomeOf([A.Rotate(limit=(-5, 9)), A.GaussNoise()], n=1, replace=False),
        ],
        p=0.9,
    )
    text = serialise(recipe, "mine")
    scope = {"A": A}
    exec(keep.as_python(text, "mine", 'A "quoted" word, \\ and all.'), scope)
    assert serialise(scope["mine"](), "mine") == text
    assert scope["mine"].__doc__ == 'A "quoted" word, \\ and all.'


def test_images_of_three_channels_are_drawn():
    made = make(draft_of("InvertImg"), GREY)
    digits = np.random.default_rng(0).integers(0, 256, (4, *COLOURED), np.uint8)
    drawn = sheet.draw(made.text, digits, seed=0, num_draws=2)
    np.testing.assert_array_equal(drawn.images, 255 - digits.repeat(2, axis=0))


def test_a_node_is_described_with_its_children():
    (node,) = make(draft_of("Affine"), GREY).nodes
    assert describe(node, (28, 28))["parts"] is None


def stroke(top, left, height, width):
    ink = np.zeros((280, 280), np.uint8)
    ink[top : top + height, left : left + width] = 255
    return ink


@pytest.mark.parametrize(("height", "width"), [(200, 60), (60, 200), (30, 24), (280, 280)])
def test_a_drawing_is_scaled_and_centred_as_mnists_digits_were(height, width):
    digit = as_digit(stroke(0, 0, height, width), 28, 28)
    rows, columns = digit.any(axis=1).nonzero()[0], digit.any(axis=0).nonzero()[0]
    assert max(len(rows), len(columns)) == 20
    assert len(rows) / len(columns) == pytest.approx(height / width, abs=0.4)
    for axis in (0, 1):
        mass = digit.sum(axis=1 - axis)
        assert (mass * (np.arange(28) + 0.5)).sum() / mass.sum() == pytest.approx(14, abs=0.5)


def test_where_and_how_large_it_is_drawn_does_not_matter():
    small = stroke(200, 20, 40, 10) | stroke(230, 20, 10, 30)
    large = stroke(20, 100, 160, 40) | stroke(140, 100, 40, 120)
    np.testing.assert_array_equal(as_digit(small, 28, 28), as_digit(large, 28, 28))


def test_a_lopsided_digit_is_centred_by_its_mass():
    heavy_left = stroke(50, 50, 200, 40) | stroke(50, 50, 10, 200)
    digit = as_digit(heavy_left, 28, 28)
    columns = digit.any(axis=0).nonzero()[0]
    assert columns[0] > 4, "the middle of its box would put it at 4"


class Says(Classifier):
    """Reads everything as one class."""

    def __init__(self, label):
        super().__init__()
        self.label = label

    def features(self, images):
        return images.flatten(1)

    def head(self, features):
        return torch.nn.functional.one_hot(torch.full((len(features),), self.label), 3) * 9.0


def reader(*members):
    scale = Preprocessing(0.0, 1.0)
    networks = [[Network(Says(label), scale, np.array(rows)) for label, rows in m] for m in members]
    return Reader("run", networks, choose_device("cpu", "float32"))


def test_a_digit_is_read_by_networks_that_never_saw_it():
    two_folds = reader([(0, [1, 2]), (1, [3, 4])])
    images = np.zeros((4, *GREY), np.uint8)
    read = two_folds.probs(images, np.array([1, 3, 4, 2]))
    assert read.argmax(axis=1).tolist() == [0, 1, 1, 0]
    assert read.max(axis=1) == pytest.approx(1, abs=0.001)
    assert two_folds.unseen.tolist() == [1, 2, 3, 4]
    drawn_by_hand = two_folds.probs(images)
    assert drawn_by_hand[0] == pytest.approx([0.5, 0.5, 0], abs=0.001)


def test_of_an_ensemble_each_member_needs_a_network_that_never_saw_it():
    both = reader([(0, [1, 2])], [(1, [2, 3])])
    assert both.unseen.tolist() == [2]
    assert both.probs(np.zeros((1, *GREY), np.uint8), np.array([2]))[0, :2] == pytest.approx(
        [0.5, 0.5], abs=0.001
    )
    assert reader([(0, [])]).unseen.tolist() == []


def test_the_nearest_are_nearest_by_angle():
    images = np.zeros((3, *GREY), np.uint8)
    images[0, 0, 0, 0], images[1, 0, 5, 5] = 200, 9
    images[2, 0, 0, 0], images[2, 0, 5, 5] = 100, 100
    asked = np.zeros((1, *GREY), np.uint8)
    asked[0, 0, 5, 5] = 255
    assert reader([(0, [])]).nearest(asked, images, 3).tolist() == [1, 2, 0]


def test_the_digits_shown_are_one_of_each_class_and_others_on_demand():
    labels = np.array([0, 1, 0, 1, 2, 0])
    assert sheet.choose(labels, None, 0).tolist() == [0, 1, 4]
    assert sheet.choose(labels, None, 1).tolist() == [2, 3, 4]
    assert sheet.choose(labels, np.array([3, 5]), 0).tolist() == [5, 3]
