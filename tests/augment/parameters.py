"""What albumentations drew for an image, in the form that the batched engine draws it."""

from collections.abc import Callable
from typing import Any

import albumentations as A
import cv2
import numpy as np
import torch

from pipeline.augment.batched.compiled import Leaf
from tests.augment.reference import SIZE, draws_with, values_of


def from_values(names: str):
    """Parameters from the scalars that Python's generator returned, in the order of `names`."""

    def convert(leaf, transform, params, py_log, np_log):
        values = values_of(names, py_log)
        tensors = {k: torch.tensor([v], dtype=torch.float32) for k, v in values.items()}
        return leaf.transform.draw(draws_with(tensors, 1), SIZE)

    return convert


def affine_params(leaf, transform, params, py_log, np_log):
    x, y, shear_x, shear_y = py_log[:4]
    if transform.translate_px:
        (x_low, x_high), (y_low, y_high) = (map(int, transform.translate_px[d]) for d in "xy")
        x, y = (x - x_low + 0.5) / (x_high - x_low + 1), (y - y_low + 0.5) / (y_high - y_low + 1)
    values = {"translate_x": x, "translate_y": y, "shear_x": shear_x, "shear_y": shear_y}
    for direction, scale in params["scale"].items():
        ends = transform.scale[direction]
        drawn = balanced_unit(scale, *ends) if transform.balanced_scale else scale
        values[f"scale_{direction}"] = drawn
    values["rotate"] = params["rotate"]
    tensors = {
        k: torch.tensor([v], dtype=torch.float32)
        for k, v in values.items()
        if k in leaf.transform.intervals
    }
    return leaf.transform.draw(draws_with(tensors, 1), SIZE)


def balanced_unit(scale, low, high):
    """The draw on [0, 1) that a scale below or above 1 comes from."""
    if low < 1 < high:
        return (scale - low) / (1 - low) / 2 if scale < 1 else 0.5 + (scale - 1) / (high - 1) / 2
    if low < 1:
        return (scale - low) / (1 - low)
    return (scale - 1) / (high - 1) if high > 1 else 0.0


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
    noise = torch.tensor(params["noise_map"], dtype=torch.float32)
    return {"noise": noise.permute(2, 0, 1)[None]}


def shift_params(leaf, transform, params, py_log, np_log):
    return {"shift": torch.tensor(params["noise_map"], dtype=torch.float32)[None]}


def shuffle_params(leaf, transform, params, py_log, np_log):
    return {"order": torch.tensor(params["channels_shuffled"], dtype=torch.float32)[None]}


def jitter_params(leaf, transform, params, py_log, np_log):
    names = ("brightness", "contrast", "saturation", "hue")
    factors = {k: torch.tensor([params[k]], dtype=torch.float32) for k in names}
    return {**factors, "order": torch.tensor(params["order"], dtype=torch.float32)[None]}


def crop_params(leaf, transform, params, py_log, np_log):
    left, top, _, _ = params["crop_coords"]
    return {"top": torch.tensor([float(top)]), "left": torch.tensor([float(left)])}


def blur_params(leaf, transform, params, py_log, np_log):
    sigma = torch.tensor([py_log[0]], dtype=torch.float32)
    return {"sigma": sigma, "reach": torch.tensor([len(params["kernel"]) // 2.0])}


def unsharp_params(leaf, transform, params, py_log, np_log):
    which = (params["ksize"] - transform.blur_limit[0]) / 2
    scalars = {"sigma": params["sigma"], "alpha": params["alpha"], "size": which}
    return {k: torch.tensor([v], dtype=torch.float32) for k, v in scalars.items()}


def gamma_params(leaf, transform, params, py_log, np_log):
    return {"gamma": torch.tensor([params["gamma"]], dtype=torch.float32)}


def nothing(leaf, transform, params, py_log, np_log):
    return leaf.transform.draw(draws_with({}, 1), SIZE)


CONVERTERS: dict[type, Callable[..., Any]] = {
    A.Affine: affine_params,
    A.ShiftScaleRotate: affine_params,
    A.Rotate: from_values("rotate"),
    A.Perspective: perspective_params,
    A.HorizontalFlip: nothing,
    A.VerticalFlip: nothing,
    A.ElasticTransform: elastic_params,
    A.GridDistortion: grid_params,
    A.OpticalDistortion: from_values("k"),
    A.ThinPlateSpline: spline_params,
    A.CoarseDropout: hole_params,
    A.Erasing: hole_params,
    A.GridDropout: hole_params,
    A.GaussNoise: noise_params,
    A.RandomBrightnessContrast: from_values("contrast brightness"),
    A.RandomGamma: gamma_params,
    A.HueSaturationValue: from_values("hue saturation value"),
    A.ColorJitter: jitter_params,
    A.ToGray: nothing,
    A.ToSepia: nothing,
    A.RGBShift: shift_params,
    A.ChannelShuffle: shuffle_params,
    A.InvertImg: nothing,
    A.GaussianBlur: blur_params,
    A.Sharpen: from_values("alpha lightness"),
    A.UnsharpMask: unsharp_params,
    A.Morphological: nothing,
    A.Pad: nothing,
    A.PadIfNeeded: nothing,
    A.RandomCrop: crop_params,
    A.Resize: nothing,
}
"""For each transform that compiles, what turns (leaf, transform, its parameters, Python's draws,
numpy's draws) of one image into the parameters of the compiled one."""


def their_parameters(
    leaf: Leaf, transform: Any, drawn: list[tuple[dict[str, Any], list[Any], list[Any]]]
) -> dict[str, torch.Tensor]:
    """Return the parameters of all images together, for `leaf.apply`."""
    convert = CONVERTERS[type(transform)]
    params = [convert(leaf, transform, *each) for each in drawn]
    most = {name: max(p[name].shape[1] for p in params) for name in params[0] if name == "holes"}
    for p in params:  # images with fewer holes than the others: pad with holes of no area
        for name, count in most.items():
            p[name] = torch.nn.functional.pad(p[name], (0, 0, 0, count - p[name].shape[1]))
    return {name: torch.cat([p[name] for p in params]) for name in params[0]}
