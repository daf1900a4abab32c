"""Given what albumentations drew, the batched engine shows albumentations' pixels."""

from typing import Any

import albumentations as A
import cv2
import numpy as np
import pytest
import torch
from albumentations.augmentations.dropout.transforms import BaseDropout

from pipeline.augment.batched.support import TRANSFORMS, support_of
from tests.augment.parameters import their_parameters
from tests.augment.reference import (
    channels_first,
    channels_last,
    compiled_leaf,
    make,
    run_albumentations,
)

pytestmark = pytest.mark.machine

BORDERS = [
    cv2.BORDER_CONSTANT,
    cv2.BORDER_REPLICATE,
    cv2.BORDER_REFLECT,
    cv2.BORDER_REFLECT_101,
    cv2.BORDER_WRAP,
]
MODES = [cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_AREA]
WILD = {"rotate": (-60, 60), "scale": (0.6, 1.6), "shear": (-20, 20)}

CASES: list[tuple[type, dict[str, Any]]] = [
    (A.Affine, WILD | {"translate_percent": (-0.3, 0.3)}),
    (A.Affine, WILD | {"translate_px": (-5, 5), "fill": 90}),
    (A.Affine, WILD | {"keep_ratio": True}),
    (A.Affine, WILD | {"balanced_scale": True}),
    (A.Affine, {"shear": {"x": (-30, 30)}, "translate_percent": {"y": 0.1}}),
    *((A.Affine, WILD | {"interpolation": m, "border_mode": b}) for m in MODES for b in BORDERS),
    *(  # by whole pixels alone, which are copied
        (A.Affine, {"translate_px": (-70, 70), "interpolation": m, "border_mode": b, "fill": 60})
        for m in MODES
        for b in BORDERS
    ),
    *(  # further off than one whole image, which OpenCV's cubic kernel repeats only once
        (A.Affine, {"translate_px": (-90, 90), "rotate": 9, "interpolation": m, "border_mode": b})
        for m in MODES
        for b in BORDERS
    ),
    (A.ShiftScaleRotate, {}),
    (A.Rotate, {"limit": 10, "fill": (70, 70, 70)}),
    (A.Rotate, {"limit": 10, "fill": (70,), "interpolation": cv2.INTER_AREA}),
    (A.Perspective, {"scale": 0.2, "fill": (9,), "interpolation": cv2.INTER_AREA}),
    (A.Rotate, {"limit": 180}),
    (A.Perspective, {}),
    (
        A.Perspective,
        {"scale": 0.2, "border_mode": cv2.BORDER_REFLECT, "fill": 9},
    ),
    (A.HorizontalFlip, {}),
    (A.VerticalFlip, {}),
    (A.ElasticTransform, {"alpha": 34, "sigma": 4}),
    (A.ElasticTransform, {"alpha": 34, "sigma": 4, "same_dxdy": True}),
    (A.ElasticTransform, {"alpha": 20, "sigma": 3, "approximate": True}),
    (A.ElasticTransform, {"alpha": 8, "sigma": 1.2}),
    (A.ElasticTransform, {"alpha": 60, "sigma": 6, "border_mode": 4}),
    (A.ElasticTransform, {"alpha": 500, "sigma": 10, "border_mode": 4}),
    (
        A.ElasticTransform,
        {"alpha": 20, "sigma": 3, "noise_distribution": "uniform", "fill": 255},
    ),
    (A.GridDistortion, {}),
    *((A.GridDistortion, {"num_steps": n, "normalized": n % 3 > 0}) for n in (8, 10, 15, 24, 28)),
    (A.GridDistortion, {"fill": (5, 5, 5), "interpolation": cv2.INTER_AREA}),
    (A.GridDistortion, {"num_steps": 3, "normalized": False, "border_mode": 1}),
    (A.OpticalDistortion, {"distort_limit": 0.8}),
    (A.OpticalDistortion, {"distort_limit": 0.8, "mode": "fisheye"}),
    (A.ThinPlateSpline, {}),
    (A.ThinPlateSpline, {"num_control_points": 2}),
    (A.ThinPlateSpline, {"num_control_points": 3, "scale_range": (0.5, 0.9)}),
    (A.CoarseDropout, {"num_holes_range": (3, 3)}),
    (
        A.CoarseDropout,
        {"hole_height_range": (2, 9), "hole_width_range": (1, 4), "fill": 7},
    ),
    (A.Erasing, {}),
    (A.GridDropout, {}),
    (A.GridDropout, {"fill": (200,), "holes_number_xy": (28, 9)}),
    (A.Erasing, {"fill": (255,)}),
    (A.GridDropout, {"holes_number_xy": (5, 3), "ratio": 0.4, "fill": 200}),
    (A.GaussNoise, {}),
    (A.GaussNoise, {"mean_range": (-0.2, 0.2), "noise_scale_factor": 0.3}),
    (A.RandomBrightnessContrast, {}),
    (
        A.RandomBrightnessContrast,
        {"brightness_by_max": False, "contrast_limit": 0.9, "brightness_limit": 0.9},
    ),
    (A.RandomBrightnessContrast, {"ensure_safe_range": True}),
    (A.RandomGamma, {}),
    (
        A.HueSaturationValue,
        {"hue_shift_limit": 0, "sat_shift_limit": 0, "val_shift_limit": (-90, 40)},
    ),
    (A.InvertImg, {}),
    (A.GaussianBlur, {}),
    (A.GaussianBlur, {"blur_limit": (0, 7), "sigma_limit": (0.3, 2)}),
    (A.Sharpen, {}),
    (A.Sharpen, {"alpha": (0, 1), "lightness": (0, 3)}),
    (A.UnsharpMask, {}),
    (A.UnsharpMask, {"blur_limit": (9, 9), "alpha": (1, 1), "threshold": 3}),
    (
        A.UnsharpMask,
        {"blur_limit": (3, 11), "sigma_limit": (0.5, 2), "threshold": 0},
    ),
    (A.Morphological, {}),
    (A.Morphological, {"operation": "erosion", "scale": (3, 3)}),
    (A.Morphological, {"scale": (5, 2)}),
]

FRAME_CASES: list[tuple[type, dict[str, Any]]] = [
    *((A.Pad, {"padding": 4, "border_mode": border}) for border in BORDERS),
    (A.Pad, {"padding": (1, 5), "fill": 70}),
    (A.Pad, {"padding": (0, 30, 2, 1), "border_mode": cv2.BORDER_REFLECT_101}),
    (A.PadIfNeeded, {"min_height": 33, "min_width": 20, "fill": 9}),
    (A.PadIfNeeded, {"min_height": 40, "min_width": 41, "position": "top_left"}),
    (
        A.PadIfNeeded,
        {"min_height": None, "min_width": 36, "pad_height_divisor": 16, "border_mode": 4},
    ),
    (A.RandomCrop, {"height": 20, "width": 27}),
    (A.RandomCrop, {"height": 28, "width": 9}),
    (A.RandomCrop, {"height": 40, "width": 9, "pad_if_needed": True, "fill": 80}),
    (
        A.RandomCrop,
        {
            "height": 36,
            "width": 36,
            "pad_if_needed": True,
            "border_mode": 4,
            "pad_position": "bottom_right",
        },
    ),
    *(
        (A.Resize, {"height": height, "width": width, "interpolation": mode})
        for mode in MODES[:3]
        for height, width in ((40, 40), (35, 28), (56, 17), (1, 20))
    ),
]
"""Transforms that change the size of the images."""

COLOURS: list[tuple[type, dict[str, Any]]] = [
    *((A.ToGray, {"method": m}) for m in ("weighted_average", "max", "average", "desaturation")),
    (A.ToSepia, {}),
    (A.RGBShift, {}),
    (A.RGBShift, {"r_shift_limit": (-200, 200), "g_shift_limit": 0.3, "b_shift_limit": (7, 7)}),
    (A.ChannelShuffle, {}),
    (A.HueSaturationValue, {}),
    (
        A.HueSaturationValue,
        {"hue_shift_limit": 180, "sat_shift_limit": 255, "val_shift_limit": 255},
    ),
    (A.HueSaturationValue, {"hue_shift_limit": 0, "sat_shift_limit": 0, "val_shift_limit": 0}),
    (A.HueSaturationValue, {"hue_shift_limit": 0, "val_shift_limit": 0}),
    (A.HueSaturationValue, {"hue_shift_limit": (90, 90), "sat_shift_limit": 0}),
    (A.HueSaturationValue, {"hue_shift_limit": (-1e-6, -1e-6), "sat_shift_limit": 0}),
    (A.ColorJitter, {}),
    (A.ColorJitter, {"brightness": 0.9, "contrast": 0.9, "saturation": 0.9, "hue": 0.1}),
    (A.ColorJitter, {"brightness": (0, 3), "contrast": (0, 3), "saturation": (0, 3), "hue": 0}),
    (A.ColorJitter, {"brightness": 0, "contrast": (0, 0), "saturation": (0, 0), "hue": (0.3, 0.3)}),
    *(
        (cls, {"border_mode": cv2.BORDER_CONSTANT, "fill": fill, **wild})
        for fill in (90, (90,), (90, 10, 200), (90, 10))
        for cls, wild in (
            (A.Affine, WILD),
            (A.Perspective, {"scale": 0.3}),
            (A.ElasticTransform, {"alpha": 60, "sigma": 3}),
            (A.GridDistortion, {"distort_limit": 0.9, "num_steps": 10}),
            (A.OpticalDistortion, {"distort_limit": 2}),
            (A.ThinPlateSpline, {"scale_range": (0.5, 0.9)}),
            (A.Pad, {"padding": 4}),
            (A.RandomCrop, {"height": 40, "width": 40, "pad_if_needed": True}),
        )
    ),
    *(
        (cls, {"fill": fill})
        for fill in (90, (90, 10, 200))
        for cls in (A.CoarseDropout, A.Erasing, A.GridDropout)
    ),
    (A.GaussNoise, {"per_channel": False}),
]
"""What only coloured images have: transforms of colours, and a fill for each channel."""


def _name(case: Any) -> str:
    return case.__name__ if isinstance(case, type) else ""


@pytest.mark.parametrize(("cls", "kwargs"), CASES + FRAME_CASES, ids=_name)
def test_same_pixels_from_the_same_parameters(cls, kwargs, images):
    compare(make(cls, **kwargs), images)


IN_COLOUR = [
    (cls, kwargs)
    for cls, kwargs in COLOURS + CASES + FRAME_CASES
    # Of these albumentations wants a number for each channel, where OpenCV takes 0 for the others.
    if not (issubclass(cls, BaseDropout) and kwargs.get("fill") in ((200,), (255,)))
]


@pytest.mark.parametrize(("cls", "kwargs"), IN_COLOUR, ids=_name)
def test_same_pixels_in_colour(cls, kwargs, coloured):
    compare(make(cls, **kwargs), coloured)


@pytest.mark.parametrize(
    ("cls", "kwargs"),
    [case for case in COLOURS if case[0] in (A.HueSaturationValue, A.ColorJitter)],
    ids=_name,
)
def test_same_colours_of_wider_images(cls, kwargs, coloured):
    """From HSV back to RGB, OpenCV cuts 32 pixels at a time to whole levels and rounds the rest."""
    compare(make(cls, **kwargs), np.pad(coloured, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect"))


def compare(transform: Any, images: np.ndarray) -> None:
    given = channels_first(images)
    leaf = compiled_leaf(transform, num_channels=given.shape[1])
    expected, *drawn = zip(*run_albumentations(transform, images, seed=1), strict=True)
    together = their_parameters(leaf, transform, list(zip(*drawn, strict=True)))

    actual = channels_last(leaf.apply(given.to(torch.float32), together).to(torch.uint8))

    support = support_of(transform)
    error = np.abs(actual.astype(int) - np.stack(expected).astype(int))
    assert (error > support.tolerance).mean() <= support.rare, error.max()
    assert np.array_equal(channels_last(given), images)  # the input is left alone


def test_every_transform_that_compiles_is_compared():
    compared = {cls for cls, _ in CASES + FRAME_CASES + COLOURS}
    assert compared == {support.source for support in TRANSFORMS}
