"""Given what albumentations drew, the batched engine shows albumentations' pixels."""

from typing import Any

import albumentations as A
import cv2
import numpy as np
import pytest
import torch

from pipeline.augment.batched.support import TRANSFORMS, support_of
from tests.augment.reference import (
    SIZE,
    compiled_leaf,
    draws_with,
    make,
    run_albumentations,
    values_of,
)

pytestmark = pytest.mark.machine


def from_values(names: str):
    """Parameters from the scalars that Python's generator returned, in the order of `names`."""

    def convert(leaf, transform, params, py_log, np_log):
        values = values_of(names, py_log)
        tensors = {k: torch.tensor([v], dtype=torch.float32) for k, v in values.items()}
        return leaf.transform.draw(draws_with(tensors, 1), SIZE)

    return convert


def affine_params(leaf, transform, params, py_log, np_log):
    names = "shear_x shear_y scale_x scale_y rotate"
    if transform.keep_ratio:
        names = "shear_x shear_y scale_x _ rotate"
    x, y, *rest = py_log
    rest = [v for v in rest if not isinstance(v, tuple)]  # balanced_scale's choice of a side
    values = values_of(names, rest)
    if transform.translate_px:
        (x_low, x_high), (y_low, y_high) = (transform.translate_px[d] for d in "xy")
        x, y = (x - x_low + 0.5) / (x_high - x_low + 1), (y - y_low + 0.5) / (y_high - y_low + 1)
    values |= {"translate_x": x, "translate_y": y}
    if transform.balanced_scale:
        for direction in "xy":
            low, high = transform.scale[direction]
            value = values[f"scale_{direction}"]
            unit = (
                (value - low) / (1 - low) / 2 if value < 1 else 0.5 + (value - 1) / (high - 1) / 2
            )
            values[f"scale_{direction}"] = unit
    tensors = {
        k: torch.tensor([v], dtype=torch.float32)
        for k, v in values.items()
        if k in leaf.transform.intervals
    }
    return leaf.transform.draw(draws_with(tensors, 1), SIZE)


def perspective_params(leaf, transform, params, py_log, np_log):
    height, width = SIZE
    frame = np.float64([[0, 0], [width, 0], [width, height], [0, height]])
    corners = cv2.perspectiveTransform(frame[None], np.linalg.inv(params["matrix"]))
    return {"corners": torch.tensor(corners, dtype=torch.float32)}


def elastic_params(leaf, transform, params, py_log, np_log):
    noise = torch.tensor(np_log[0], dtype=torch.float32).view(1, -1, SIZE[1])
    if transform.noise_distribution == "gaussian":
        noise = noise / noise.abs().max()
    return leaf.transform.in_basis(noise, SIZE)


def spline_params(leaf, transform, params, py_log, np_log):
    return {"moves": torch.tensor(np_log[0], dtype=torch.float32)[None]}


def grid_params(leaf, transform, params, py_log, np_log):
    count = transform.num_steps + 1
    names = " ".join(f"{d}{i}" for d in "xy" for i in range(count))
    return from_values(names)(leaf, transform, params, py_log, np_log)


def hole_params(leaf, transform, params, py_log, np_log):
    return {"holes": torch.tensor(np.atleast_2d(params["holes"]), dtype=torch.float32)[None]}


def noise_params(leaf, transform, params, py_log, np_log):
    return {"noise": torch.tensor(params["noise_map"], dtype=torch.float32).view(1, 1, *SIZE)}


def blur_params(leaf, transform, params, py_log, np_log):
    sigma = torch.tensor([py_log[0]], dtype=torch.float32)
    return {"sigma": sigma, "reach": torch.tensor([len(params["kernel"]) // 2.0])}


def unsharp_params(leaf, transform, params, py_log, np_log):
    which = (params["ksize"] - transform.blur_limit[0]) / 2
    scalars = {"sigma": params["sigma"], "alpha": params["alpha"], "size": which}
    return {k: torch.tensor([v], dtype=torch.float32) for k, v in scalars.items()}


def nothing(leaf, transform, params, py_log, np_log):
    return leaf.transform.draw(draws_with({}, 1), SIZE)


BORDERS = [
    cv2.BORDER_CONSTANT,
    cv2.BORDER_REPLICATE,
    cv2.BORDER_REFLECT,
    cv2.BORDER_REFLECT_101,
    cv2.BORDER_WRAP,
]
MODES = [cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC]
WILD = {"rotate": (-60, 60), "scale": (0.6, 1.6), "shear": (-20, 20)}

CASES: list[tuple[type, dict[str, Any], Any]] = [
    (A.Affine, WILD | {"translate_percent": (-0.3, 0.3)}, affine_params),
    (A.Affine, WILD | {"translate_px": (-5, 5), "fill": 90}, affine_params),
    (A.Affine, WILD | {"keep_ratio": True}, affine_params),
    (A.Affine, WILD | {"balanced_scale": True}, affine_params),
    (A.Affine, {"shear": {"x": (-30, 30)}, "translate_percent": {"y": 0.1}}, affine_params),
    *(
        (A.Affine, WILD | {"interpolation": m, "border_mode": b}, affine_params)
        for m in MODES
        for b in BORDERS
    ),
    (A.ShiftScaleRotate, {}, affine_params),
    (A.Rotate, {"limit": 180}, from_values("rotate")),
    (A.Perspective, {}, perspective_params),
    (
        A.Perspective,
        {"scale": 0.2, "border_mode": cv2.BORDER_REFLECT, "fill": 9},
        perspective_params,
    ),
    (A.HorizontalFlip, {}, nothing),
    (A.VerticalFlip, {}, nothing),
    (A.ElasticTransform, {"alpha": 34, "sigma": 4}, elastic_params),
    (A.ElasticTransform, {"alpha": 34, "sigma": 4, "same_dxdy": True}, elastic_params),
    (A.ElasticTransform, {"alpha": 20, "sigma": 3, "approximate": True}, elastic_params),
    (A.ElasticTransform, {"alpha": 8, "sigma": 1.2}, elastic_params),
    (A.ElasticTransform, {"alpha": 60, "sigma": 6, "border_mode": 4}, elastic_params),
    (
        A.ElasticTransform,
        {"alpha": 20, "sigma": 3, "noise_distribution": "uniform", "fill": 255},
        elastic_params,
    ),
    (A.GridDistortion, {}, grid_params),
    (A.GridDistortion, {"num_steps": 3, "normalized": False, "border_mode": 1}, grid_params),
    (A.OpticalDistortion, {"distort_limit": 0.8}, from_values("k")),
    (A.OpticalDistortion, {"distort_limit": 0.8, "mode": "fisheye"}, from_values("k")),
    (A.ThinPlateSpline, {}, spline_params),
    (A.ThinPlateSpline, {"num_control_points": 2}, spline_params),
    (A.ThinPlateSpline, {"num_control_points": 3, "scale_range": (0.5, 0.9)}, spline_params),
    (A.CoarseDropout, {"num_holes_range": (3, 3)}, hole_params),
    (
        A.CoarseDropout,
        {"hole_height_range": (2, 9), "hole_width_range": (1, 4), "fill": 7},
        hole_params,
    ),
    (A.Erasing, {}, hole_params),
    (A.GridDropout, {}, hole_params),
    (A.GridDropout, {"holes_number_xy": (5, 3), "ratio": 0.4, "fill": 200}, hole_params),
    (A.GaussNoise, {}, noise_params),
    (A.GaussNoise, {"mean_range": (-0.2, 0.2), "noise_scale_factor": 0.3}, noise_params),
    (A.RandomBrightnessContrast, {}, from_values("contrast brightness")),
    (
        A.RandomBrightnessContrast,
        {"brightness_by_max": False, "contrast_limit": 0.9, "brightness_limit": 0.9},
        from_values("contrast brightness"),
    ),
    (A.RandomBrightnessContrast, {"ensure_safe_range": True}, from_values("contrast brightness")),
    (A.RandomGamma, {}, None),
    (A.InvertImg, {}, nothing),
    (A.GaussianBlur, {}, blur_params),
    (A.GaussianBlur, {"blur_limit": (0, 7), "sigma_limit": (0.3, 2)}, blur_params),
    (A.Sharpen, {}, from_values("alpha lightness")),
    (A.Sharpen, {"alpha": (0, 1), "lightness": (0, 3)}, from_values("alpha lightness")),
    (A.UnsharpMask, {}, unsharp_params),
    (
        A.UnsharpMask,
        {"blur_limit": (3, 11), "sigma_limit": (0.5, 2), "threshold": 0},
        unsharp_params,
    ),
    (A.Morphological, {}, nothing),
    (A.Morphological, {"operation": "erosion", "scale": (3, 3)}, nothing),
    (A.Morphological, {"scale": (5, 2)}, nothing),
]


def gamma_params(leaf, transform, params, py_log, np_log):
    return {"gamma": torch.tensor([params["gamma"]], dtype=torch.float32)}


def _name(case: Any) -> str:
    return case.__name__ if isinstance(case, type) else ""


@pytest.mark.parametrize(("cls", "kwargs", "convert"), CASES, ids=_name)
def test_same_pixels_from_the_same_parameters(cls, kwargs, convert, images):
    transform = make(cls, **kwargs)
    leaf = compiled_leaf(transform)
    convert = convert or gamma_params
    expected, params = [], []
    for out, drawn, py_log, np_log in run_albumentations(transform, images, seed=1):
        expected.append(out)
        params.append(convert(leaf, transform, drawn, py_log, np_log))
    most = {name: max(p[name].shape[1] for p in params) for name in params[0] if name == "holes"}
    for p in params:  # images with fewer holes than the others: pad with holes of no area
        for name, count in most.items():
            p[name] = torch.nn.functional.pad(p[name], (0, 0, 0, count - p[name].shape[1]))
    together = {name: torch.cat([p[name] for p in params]) for name in params[0]}
    given = torch.from_numpy(images)[:, None]

    actual = leaf.apply(given.to(torch.float32), together).to(torch.uint8)[:, 0].numpy()

    support = support_of(transform)
    error = np.abs(actual.astype(int) - np.stack(expected).astype(int))
    assert (error > support.tolerance).mean() <= support.rare, error.max()
    assert np.array_equal(given[:, 0].numpy(), images)  # the input is left alone


def test_every_transform_that_compiles_is_compared():
    assert {cls for cls, _, _ in CASES} == {support.source for support in TRANSFORMS}
