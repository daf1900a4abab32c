"""What the batched engine draws has the distribution of what albumentations draws.

Each transform's parameters are turned into numbers that say all about its effect. Their
distributions are compared by two-sample Kolmogorov–Smirnov tests, one by one and, to see how they
hang together, along random directions. Over all checks together the chance of a false alarm is
FALSE_ALARM; everything is seeded.
"""

from typing import Any

import albumentations as A
import cv2
import numpy as np
import pytest
import torch
from scipy import stats

from pipeline.augment.batched import BatchedRecipe, compile_recipe, image_keys
from pipeline.augment.batched.affine import Flip
from pipeline.augment.batched.dropout import HoleDropout
from pipeline.augment.batched.grid import (
    DisplacementTransform,
    MatrixTransform,
    SamplingGrid,
    pixel_grid,
)
from pipeline.augment.batched.support import TRANSFORMS
from tests.augment.reference import SIZE, channels_last, compiled_leaf, make

NUM_THEIRS, NUM_OURS = 2500, 10_000
MAX_STATISTICS = 16 + 3
FALSE_ALARM = 1e-3
PIXELS = [(0, 0), (3, 20), (13, 14), (27, 5), (27, 27)]  # (row, column); corners and seams too

CASES: list[tuple[type, dict[str, Any]]] = [
    (
        A.Affine,
        {"rotate": (-40, 30), "scale": (0.7, 1.2), "shear": (-9, 20), "translate_percent": 0.2},
    ),
    (A.Affine, {"translate_px": {"x": (-3, 5), "y": (0, 2)}, "keep_ratio": True, "scale": (1, 2)}),
    (A.Affine, {"scale": (0.9, 2.0), "balanced_scale": True}),
    (A.Affine, {"scale": (0.5, 0.9), "balanced_scale": True, "shear": {"x": (1, 3)}}),
    (A.ShiftScaleRotate, {"shift_limit": 0.1, "scale_limit": 0.3}),
    (A.Rotate, {"limit": (-20, 60)}),
    (A.Perspective, {"scale": (0.05, 0.3)}),
    (A.HorizontalFlip, {}),
    (A.VerticalFlip, {}),
    (A.ElasticTransform, {"alpha": 34, "sigma": 4}),
    (A.ElasticTransform, {"alpha": 20, "sigma": 2}),
    (A.ElasticTransform, {"alpha": 20, "sigma": 3, "same_dxdy": True}),
    (A.ElasticTransform, {"alpha": 20, "sigma": 3, "noise_distribution": "uniform"}),
    (A.ElasticTransform, {"alpha": 5, "sigma": 1}),
    (A.GridDistortion, {}),
    (A.GridDistortion, {"num_steps": 4, "normalized": False}),
    (A.OpticalDistortion, {"distort_limit": (-0.2, 0.5)}),
    (A.OpticalDistortion, {"mode": "fisheye"}),
    (A.ThinPlateSpline, {}),
    (A.CoarseDropout, {"num_holes_range": (1, 4)}),
    (A.CoarseDropout, {"hole_height_range": (2, 9), "hole_width_range": (1, 4)}),
    (A.Erasing, {}),
    (A.GridDropout, {}),
    (A.GridDropout, {"holes_number_xy": (5, 3), "ratio": 0.4}),
    (A.GridDropout, {"holes_number_xy": (4, 4), "random_offset": False, "shift_xy": (1, 3)}),
    (A.GaussNoise, {"mean_range": (-0.1, 0.3)}),
    (A.GaussNoise, {"noise_scale_factor": 0.4}),
    (A.RandomBrightnessContrast, {"brightness_limit": (-0.1, 0.4)}),
    (A.RandomGamma, {"gamma_limit": (50, 220)}),
    (
        A.HueSaturationValue,
        {"hue_shift_limit": 0, "sat_shift_limit": 0, "val_shift_limit": (-90, 40)},
    ),
    (A.InvertImg, {}),
    (A.GaussianBlur, {"sigma_limit": (0.3, 2)}),
    (A.GaussianBlur, {"blur_limit": (0, 7), "sigma_limit": (0.5, 3)}),
    (A.Sharpen, {"lightness": (0.2, 2)}),
    (A.UnsharpMask, {"blur_limit": (3, 9), "sigma_limit": (0.5, 2)}),
    (A.Morphological, {}),
    (A.Pad, {"padding": 3}),
    (A.PadIfNeeded, {"min_height": 40, "min_width": 30}),
    (A.RandomCrop, {"height": 20, "width": 27}),
    (A.RandomCrop, {"height": 32, "width": 21, "pad_if_needed": True}),
    (A.Resize, {"height": 40, "width": 20}),
]

COLOURS: list[tuple[type, dict[str, Any]]] = [
    (A.GaussNoise, {"mean_range": (-0.1, 0.3)}),
    (A.GaussNoise, {"per_channel": False}),
    (A.GaussNoise, {"noise_scale_factor": 0.4}),
    (A.GaussNoise, {"noise_scale_factor": 0.4, "per_channel": False}),
    (A.HueSaturationValue, {"hue_shift_limit": (-5, 70), "sat_shift_limit": 0}),
    (A.ColorJitter, {}),
    (A.ColorJitter, {"contrast": (1, 1), "hue": (0.1, 0.1)}),
    (A.ToGray, {}),
    (A.ToSepia, {}),
    (A.RGBShift, {}),
    (A.RGBShift, {"r_shift_limit": (0.1, 0.2), "g_shift_limit": (-50, 3), "b_shift_limit": 0}),
    (A.ChannelShuffle, {}),
]
"""On coloured images."""


def _name(case: Any) -> str:
    return case.__name__ if isinstance(case, type) else ""


def _at_pixels(maps: np.ndarray) -> np.ndarray:
    """(n, H, W, 2) → both coordinates at some pixels, and the field's extent."""
    some = [maps[:, row, column, :] for row, column in PIXELS]
    grid = pixel_grid(SIZE, torch.device("cpu")).numpy()
    moved = np.abs(maps - grid)
    return np.column_stack([*some, moved.max(axis=(1, 2, 3)), (moved**2).mean(axis=(1, 2, 3))])


def _of_holes(holes: np.ndarray) -> np.ndarray:
    """One image's holes (k, 4) → area, place and number of the erased pixels."""
    erased = np.zeros(SIZE)
    for x_min, y_min, x_max, y_max in holes.astype(int):
        erased[y_min:y_max, x_min:x_max] = 1
    x_min, y_min, x_max, y_max = holes[0]
    seen = [erased[row, column] for row, column in PIXELS]
    rows, columns = erased.sum(axis=1), erased.sum(axis=0)
    return np.array(
        [x_min, y_min, x_max - x_min, y_max - y_min, erased.sum(), rows.max(), columns.max(), *seen]
    )


def _of_noise(noise: np.ndarray) -> np.ndarray:
    """(n, C, H, W) → moments, the likeness of neighbours and of channels, and single pixels.

    Not the first pixel: OpenCV seeds its generator anew with 16 bits for each image, and the first
    number after that is always near 0. This is left to OpenCV.
    """
    other = noise[:, -1]
    noise = noise[:, 0]
    neighbours = (noise[:, :, 1:] * noise[:, :, :-1]).mean(axis=(1, 2))
    channels = (noise * other).mean(axis=(1, 2))
    some = [noise[:, row, column] for row, column in PIXELS[1:]]
    moments = [noise.mean(axis=(1, 2)), noise.std(axis=(1, 2))]
    return np.column_stack([*moments, neighbours, channels, *some])


def their_draws(transform: Any, num_channels: int) -> np.ndarray:
    """Return (NUM_THEIRS, statistics)."""
    transform.set_random_seed(5)
    data = {"image": np.full((*SIZE, num_channels), 100, dtype=np.uint8)}
    numbers = []
    for _ in range(NUM_THEIRS):
        params = transform.update_transform_params(transform.get_params(), data)
        params |= transform.get_params_dependent_on_data(params, data)
        numbers.append(_their_numbers(transform, params))
    return np.stack(numbers)


def _their_numbers(transform: Any, params: dict[str, Any]) -> np.ndarray:
    if "matrix" in params:
        matrix = params["matrix"]
        if isinstance(transform, A.Perspective):
            height, width = SIZE
            zoom = np.diag([width / params["max_width"], height / params["max_height"], 1])
            matrix = zoom @ matrix
        inverse = np.linalg.inv(matrix)
        return (inverse / inverse[2, 2]).ravel()[:8]
    if "map_x" in params:
        return _at_pixels(np.stack([params["map_x"], params["map_y"]], axis=-1)[None])[0]
    if "holes" in params:
        return _of_holes(params["holes"].astype(float))
    if "noise_map" in params:
        noise = params["noise_map"]
        return noise if noise.ndim == 1 else _of_noise(noise.transpose(2, 0, 1)[None])[0]
    if isinstance(transform, A.GaussianBlur):
        kernel = params["kernel"]
        return np.array([len(kernel), kernel.max()])
    if isinstance(transform, A.Sharpen):
        return np.array([params["alpha"], params["sharpening_matrix"][1, 1]])
    if isinstance(transform, A.HueSaturationValue):
        limits = transform.hue_shift_limit, transform.sat_shift_limit
        shifts = params["hue_shift"], params["sat_shift"]
        moved = [shift for shift, limit in zip(shifts, limits, strict=True) if limit != (0, 0)]
        return np.array([params["val_shift"], *moved])
    if isinstance(transform, A.ColorJitter):
        factors = [params[n] for n in ("brightness", "contrast", "saturation", "hue")]
        return np.array([*factors, *params["order"]])
    if isinstance(transform, A.ChannelShuffle):
        return np.array(params["channels_shuffled"])
    if isinstance(transform, A.RandomCrop):
        return np.array(params["crop_coords"][:2])
    names = [n for n in ("alpha", "beta", "gamma", "ksize", "sigma") if n in params]
    return np.array([params[n] for n in names], dtype=float)


def our_draws(transform: Any, num_channels: int) -> np.ndarray:
    """Return (NUM_OURS, statistics)."""
    leaf = compiled_leaf(transform, num_channels)
    recipe = BatchedRecipe([leaf])
    if isinstance(leaf.transform, Flip):
        return np.zeros((NUM_OURS, 0))  # nothing is drawn
    keys = image_keys(7, 0, torch.arange(NUM_OURS))
    scalars = recipe._draw_scalars(keys)
    images = torch.empty(NUM_OURS, num_channels, 0, 0)
    drawn = leaf.transform.draw(recipe._draws(0, scalars[0], keys, images), SIZE)
    if isinstance(leaf.transform, MatrixTransform):
        matrix = leaf.transform.matrix(drawn, SIZE).double().numpy()
        return (matrix / matrix[:, 2:, 2:]).reshape(-1, 9)[:, :8]
    if isinstance(leaf.transform, DisplacementTransform):
        grid = SamplingGrid(NUM_OURS, SIZE, keys.device)
        grid.displace(leaf.transform.field(drawn, SIZE))
        return _at_pixels(grid.coordinates().numpy())
    params = {name: value.double().numpy() for name, value in drawn.items()}
    if isinstance(leaf.transform, HoleDropout):
        some = [holes[holes[:, 0] < holes[:, 2]] for holes in params["holes"][:NUM_THEIRS]]
        return np.stack([_of_holes(h if len(h) else np.zeros((1, 4))) for h in some])
    if "noise" in params:
        return _of_noise(params["noise"])
    if isinstance(transform, A.GaussianBlur):
        x = np.arange(-30, 31)
        weights = np.exp(-0.5 * (x / params["sigma"][:, None]) ** 2)
        weights *= np.abs(x) <= params["reach"][:, None]
        return np.column_stack([2 * params["reach"] + 1, 1 / weights.sum(axis=1)])
    if isinstance(transform, A.Sharpen):
        alpha = params["alpha"]
        return np.column_stack([alpha, 1 - alpha + alpha * (8 + params["lightness"])])
    if "size" in params:
        params["ksize"] = transform.blur_limit[0] + 2 * params.pop("size")
    if isinstance(transform, A.ColorJitter):
        constant = {name: getattr(transform, name)[0] for name in ("brightness", "contrast", "hue")}
        params = {n: np.full(NUM_OURS, value) for n, value in constant.items()} | params
    names = ["alpha", "beta", "gamma", "ksize", "sigma", "value", "left", "top", "shift"]
    names += ["brightness", "contrast", "saturation", "hue", "order"]
    some = [params[n] for n in names if n in params]
    return np.column_stack(some) if some else np.zeros((NUM_OURS, 0))


@pytest.mark.parametrize(("cls", "kwargs"), CASES, ids=_name)
def test_same_distribution(cls, kwargs):
    compare(make(cls, **kwargs), num_channels=1)


@pytest.mark.parametrize(("cls", "kwargs"), COLOURS, ids=_name)
def test_same_distribution_in_colour(cls, kwargs):
    compare(make(cls, **kwargs), num_channels=3)


def compare(transform: Any, num_channels: int) -> None:
    theirs, ours = their_draws(transform, num_channels), our_draws(transform, num_channels)
    assert theirs.shape[1] == ours.shape[1] <= MAX_STATISTICS - 3
    # Rounding would tell constants apart, and float32's whole pixels from float64's.
    theirs, ours = np.round(theirs, 4), np.round(ours, 4)
    both = np.concatenate([theirs, ours])
    moving = np.ptp(both, axis=0) > 1e-3
    np.testing.assert_allclose(theirs[:, ~moving].mean(0), ours[:, ~moving].mean(0), atol=2e-3)
    standard = (both[:, moving] - both[:, moving].mean(axis=0)) / both[:, moving].std(axis=0)
    directions = np.random.default_rng(0).normal(size=(standard.shape[1], 3))
    columns = np.column_stack([both[:, moving], np.round(standard @ directions, 4)])
    for column in columns.T if moving.any() else ():
        result = stats.ks_2samp(column[: len(theirs)], column[len(theirs) :], method="asymp")
        assert result.pvalue > FALSE_ALARM / (len(CASES + COLOURS) * MAX_STATISTICS), result


def test_every_transform_that_compiles_is_compared():
    assert {cls for cls, _ in CASES + COLOURS} == {support.source for support in TRANSFORMS}


@pytest.mark.parametrize("fill", ["random", "random_uniform"])
def test_a_random_fill_is_another_for_each_channel(fill):
    """As albumentations itself has it."""
    hole = A.Erasing(scale=(0.1, 0.1), fill=fill, p=1)
    compiled = compile_recipe(A.Compose([hole]), num_channels=3)
    images = torch.full((400, 3, 28, 28), 77, dtype=torch.uint8)
    ours = channels_last(compiled(images, image_keys(0, 0, torch.arange(400))))
    hole.set_random_seed(0)
    theirs = np.stack([hole(image=image)["image"] for image in channels_last(images)])
    for drawn in (theirs, ours):
        colours = np.array([image[(image != 77).any(axis=-1)][0] for image in drawn])
        assert np.abs(np.corrcoef(colours.T) - np.eye(3)).max() < 0.2
        assert {len(np.unique(image.reshape(-1, 3), axis=0)) > 2 for image in drawn} == {
            fill == "random"
        }


@pytest.mark.parametrize("fill", ["random", "random_uniform"])
def test_random_fill(fill):
    hole = {"hole_height_range": (9, 9), "hole_width_range": (9, 9), "num_holes_range": (2, 2)}
    recipe = compile_recipe(A.Compose([A.CoarseDropout(fill=fill, p=1, **hole)]))
    images = torch.full((4000, 1, 28, 28), 77, dtype=torch.uint8)
    out = recipe(images, image_keys(0, 0, torch.arange(4000)))[:, 0].numpy()
    changed = (out != 77).sum(axis=(1, 2))
    assert changed.max() <= 162
    if fill == "random":
        assert changed.min() > 60
        values = out[out != 77]
        assert np.median([len(np.unique(image)) for image in out[:100]]) > 50
    else:
        assert {len(np.unique(image)) for image in out} <= {1, 2, 3}
        values = np.concatenate([np.setdiff1d(image, [77]) for image in out])
    counts = np.bincount(values, minlength=256)[np.arange(256) != 77]
    assert stats.chisquare(counts).pvalue > FALSE_ALARM


def test_cv2_reads_the_sizes_that_the_kernels_assume():
    """OpenCV's own kernel width where the size is left to it: see `Elastic`."""
    for sigma in (1.0, 2.3, 4.0, 6.5):
        impulse = np.zeros((1, 201), np.float32)
        impulse[0, 100] = 1
        width = np.count_nonzero(cv2.GaussianBlur(impulse, (0, 0), sigma)[0])
        assert width == round(sigma * 8 + 1) | 1
