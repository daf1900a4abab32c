"""Given what albumentations drew, the batched engine shows albumentations' pixels."""

from typing import Any

import albumentations as A
import cv2
import numpy as np
import pytest
import torch

from pipeline.augment.batched.support import TRANSFORMS, support_of
from tests.augment.parameters import their_parameters
from tests.augment.reference import compiled_leaf, make, run_albumentations

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


def _name(case: Any) -> str:
    return case.__name__ if isinstance(case, type) else ""


@pytest.mark.parametrize(("cls", "kwargs"), CASES, ids=_name)
def test_same_pixels_from_the_same_parameters(cls, kwargs, images):
    transform = make(cls, **kwargs)
    leaf = compiled_leaf(transform)
    expected, *drawn = zip(*run_albumentations(transform, images, seed=1), strict=True)
    together = their_parameters(leaf, transform, list(zip(*drawn, strict=True)))
    given = torch.from_numpy(images)[:, None]

    actual = leaf.apply(given.to(torch.float32), together).to(torch.uint8)[:, 0].numpy()

    support = support_of(transform)
    error = np.abs(actual.astype(int) - np.stack(expected).astype(int))
    assert (error > support.tolerance).mean() <= support.rare, error.max()
    assert np.array_equal(given[:, 0].numpy(), images)  # the input is left alone


def test_every_transform_that_compiles_is_compared():
    assert {cls for cls, _ in CASES} == {support.source for support in TRANSFORMS}
