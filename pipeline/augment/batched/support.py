"""What compiles: each albumentations transform, with what its arguments may be.

This is data: `compiler` checks a recipe against it, and the table in the README is made from it.
An argument that is not listed here, in whatever version of albumentations, is refused.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import albumentations as A
import cv2

from pipeline.augment.batched import (
    affine,
    distortion,
    dropout,
    elastic,
    filters,
    morphology,
    pixel,
)
from pipeline.augment.batched.rules import (
    ANY,
    BORDER,
    HOLE_FILL,
    IN_IMAGE,
    INTERPOLATION,
    ONE_A_PIXEL,
    PIXEL,
    SAME_SIZE,
    SCALE,
    UNUSED,
    Rule,
    fill_value,
    only,
    within,
)
from pipeline.augment.batched.transform import Size, Transform

_SAMPLING = {
    "interpolation": INTERPOLATION,
    "border_mode": BORDER,
    "fill": PIXEL,
    "fill_mask": UNUSED,
    "mask_interpolation": UNUSED,
}
_DISTORTION = _SAMPLING | {"keypoint_remapping_method": UNUSED}
_HOLES = {"fill": HOLE_FILL, "fill_mask": UNUSED}


_FLOAT = "float32 coordinates where OpenCV has float64; both round to whole pixel values"
_EXACT = "the same whole numbers"


@dataclass(frozen=True)
class Support:
    """How one albumentations transform is compiled.

    Attributes:
        source: The albumentations class; a subclass of it is another transform.
        arguments: Each argument of its constructor but `p` → what it may be.
        build: Turns an instance, whose arguments were accepted, into the compiled transform.
        tolerance: How far a pixel (0..255) may be from albumentations' own, given the same drawn
            parameters.
        rare: The share of pixels that may be further off than that.
        why: Where the difference comes from.
        conflict: Returns what is wrong with the arguments together, or for images of that
            (H, W), as "argument=value): reason"; or None.
    """

    source: type[A.BasicTransform]
    arguments: Mapping[str, Rule]
    build: Callable[[Any], Transform]
    tolerance: int = 1
    rare: float = 0.0
    why: str = _FLOAT
    conflict: Callable[[Any, Size], str | None] = lambda *_: None


def _holes_fit(coarse: A.CoarseDropout, size: Size) -> str | None:
    """Return what is wrong where one range is in pixels and albumentations reads fractions."""
    height, width = coarse.hole_height_range, coarse.hole_width_range
    if height[1] < 1 < width[1]:
        return f"hole_width_range={width!r}): must be fractions like hole_height_range"
    if height[1] >= 1 and (height[0] > size[0] or width[0] > size[1]):
        return f"hole_height_range={height!r}, hole_width_range={width!r}): larger than the image"
    return None


def _rectangle_fits(erasing: A.Erasing, size: Size) -> str | None:
    if dropout.erasable_area(erasing.scale, erasing.ratio, size) is None:
        return f"scale={erasing.scale!r}, ratio={erasing.ratio!r}): never fits into the image"
    return None


def _has_width(grid: A.GridDistortion, size: Size) -> str | None:
    if grid.normalized and grid.distort_limit[1] <= -1:
        return f"distort_limit={grid.distort_limit!r}, normalized=True): leaves cells of no width"
    return None


def _half_a_pixel(optical: A.OpticalDistortion, size: Size) -> str | None:
    if optical.mode == "camera" and optical.interpolation == cv2.INTER_NEAREST:
        return "mode='camera', interpolation=0): moves by half a pixel, to no nearest one"
    return None


TRANSFORMS: Sequence[Support] = (
    Support(
        A.Affine,
        _SAMPLING
        | {
            "scale": SCALE,
            "translate_percent": within(10),
            "translate_px": within(280),
            "rotate": within(36_000),
            "shear": within(80),
            "keep_ratio": ANY,
            "balanced_scale": ANY,
            "fit_output": SAME_SIZE,
            "rotate_method": UNUSED,
        },
        affine.affine,
    ),
    Support(
        A.ShiftScaleRotate,
        _SAMPLING
        | {
            "shift_limit": ANY,
            "shift_limit_x": ANY,
            "shift_limit_y": ANY,
            "scale_limit": Rule("above -0.99", lambda given, _: given[0] >= 0.01),
            "rotate_limit": within(36_000),
            "rotate_method": UNUSED,
        },
        affine.affine,
    ),
    Support(
        A.Rotate,
        _SAMPLING | {"limit": within(36_000), "crop_border": SAME_SIZE, "rotate_method": UNUSED},
        lambda t: affine.Affine(rotate=t.limit),
    ),
    Support(
        A.Perspective,
        _SAMPLING
        | {
            "scale": ANY,
            "keep_size": only(True, "the size of the output would vary"),
            "fit_output": only(False, "its frame is rounded to whole pixels for each image"),
        },
        lambda t: affine.Perspective(t.scale),
    ),
    Support(A.HorizontalFlip, {}, lambda _: affine.Flip(horizontal=True), tolerance=0, why=_EXACT),
    Support(A.VerticalFlip, {}, lambda _: affine.Flip(horizontal=False), tolerance=0, why=_EXACT),
    Support(
        A.ElasticTransform,
        _DISTORTION
        | {
            "alpha": within(1000),
            "sigma": ANY,
            "approximate": ANY,
            "same_dxdy": ANY,
            "noise_distribution": ANY,
        },
        elastic.from_albumentations,
        tolerance=2,
        rare=0.0001,
        why="the smoothed field is kept to 0.02 px at alpha 34",
    ),
    Support(
        A.GridDistortion,
        _DISTORTION | {"num_steps": ONE_A_PIXEL, "distort_limit": ANY, "normalized": ANY},
        lambda t: distortion.Grid(
            num_steps=t.num_steps, distort_limit=t.distort_limit, normalized=t.normalized
        ),
        conflict=_has_width,
    ),
    Support(
        A.OpticalDistortion,
        _DISTORTION | {"distort_limit": within(3), "mode": ANY},
        lambda t: distortion.Optical(t.distort_limit, fisheye=t.mode == "fisheye"),
        conflict=_half_a_pixel,
    ),
    Support(
        A.ThinPlateSpline,
        _DISTORTION
        | {
            "scale_range": ANY,
            "num_control_points": Rule(
                "at most 5: albumentations' float32 solves no larger splines", lambda n, _: n <= 5
            ),
        },
        lambda t: distortion.ThinPlateSpline(
            scale_range=t.scale_range, num_control_points=t.num_control_points
        ),
        tolerance=2,
        why="albumentations solves the spline's equations in float32",
    ),
    Support(
        A.CoarseDropout,
        _HOLES
        | {
            "num_holes_range": Rule("at most 256", lambda given, _: given[1] <= 256),
            "hole_height_range": ANY,
            "hole_width_range": ANY,
        },
        lambda t: dropout.CoarseDropout(
            num_holes_range=t.num_holes_range,
            hole_height_range=t.hole_height_range,
            hole_width_range=t.hole_width_range,
            fill=fill_value(t.fill),
        ),
        tolerance=0,
        why=_EXACT,
        conflict=_holes_fit,
    ),
    Support(
        A.Erasing,
        _HOLES | {"scale": ANY, "ratio": ANY},
        lambda t: dropout.Erasing(scale=t.scale, ratio=t.ratio, fill=fill_value(t.fill)),
        tolerance=0,
        why=_EXACT,
        conflict=_rectangle_fits,
    ),
    Support(
        A.GridDropout,
        _HOLES
        | {
            "ratio": ANY,
            "random_offset": ANY,
            "holes_number_xy": ONE_A_PIXEL,
            "shift_xy": ANY,
            "unit_size_range": only(None, "the number of cells would vary"),
        },
        lambda t: dropout.GridDropout(
            ratio=t.ratio,
            random_offset=t.random_offset,
            holes_number_xy=t.holes_number_xy,
            shift_xy=t.shift_xy,
            fill=fill_value(t.fill),
        ),
        tolerance=0,
        why=_EXACT,
    ),
    Support(
        A.GaussNoise,
        {"std_range": ANY, "mean_range": ANY, "noise_scale_factor": ANY, "per_channel": UNUSED},
        lambda t: pixel.GaussNoise(
            std_range=t.std_range,
            mean_range=t.mean_range,
            noise_scale_factor=t.noise_scale_factor,
        ),
        tolerance=0,
        why=_EXACT,
    ),
    Support(
        A.RandomBrightnessContrast,
        {
            "brightness_limit": ANY,
            "contrast_limit": ANY,
            "brightness_by_max": ANY,
            "ensure_safe_range": ANY,
        },
        lambda t: pixel.BrightnessContrast(
            brightness_limit=t.brightness_limit,
            contrast_limit=t.contrast_limit,
            brightness_by_max=t.brightness_by_max,
            ensure_safe_range=t.ensure_safe_range,
        ),
        why="float32 sums next to a whole number, which is then cut",
    ),
    Support(
        A.RandomGamma,
        {"gamma_limit": ANY},
        lambda t: pixel.Gamma(t.gamma_limit),
        why="float32 powers next to a whole number, which is then cut",
    ),
    Support(
        A.HueSaturationValue,
        {
            "hue_shift_limit": only((0, 0), "grey images have none"),
            "sat_shift_limit": only((0, 0), "grey images have none"),
            "val_shift_limit": ANY,
        },
        lambda t: pixel.ValueShift(t.val_shift_limit),
        tolerance=0,
        why=_EXACT,
    ),
    Support(A.InvertImg, {}, lambda _: pixel.Invert(), tolerance=0, why=_EXACT),
    Support(
        A.GaussianBlur,
        {
            "blur_limit": IN_IMAGE,
            "sigma_limit": Rule(
                "positive, at most the image's side",
                lambda given, size: given[0] > 0 and given[1] <= min(size),
            ),
        },
        lambda t: filters.GaussianBlur(sigma_limit=t.sigma_limit, blur_limit=t.blur_limit),
        why="float32 sums that round to the other side",
    ),
    Support(
        A.Sharpen,
        {
            "alpha": ANY,
            "lightness": ANY,
            "method": only("kernel", "the other one wraps around 256 in albumentations 2.0.8"),
            "kernel_size": UNUSED,
            "sigma": UNUSED,
        },
        lambda t: filters.Sharpen(alpha=t.alpha, lightness=t.lightness),
        why="float32 sums that round to the other side",
    ),
    Support(
        A.UnsharpMask,
        {
            "blur_limit": IN_IMAGE,
            "sigma_limit": Rule(
                "0, or all positive", lambda given, _: given[0] > 0 or given == (0.0, 0.0)
            ),
            "alpha": ANY,
            "threshold": ANY,
        },
        lambda t: filters.UnsharpMask(
            blur_limit=t.blur_limit,
            sigma_limit=t.sigma_limit,
            alpha=t.alpha,
            threshold=t.threshold,
        ),
        rare=0.001,
        why="a residual that is the threshold but for rounding counts as over it or not",
    ),
    Support(
        A.Morphological,
        {"scale": IN_IMAGE, "operation": ANY},
        lambda t: morphology.Morphological(scale=t.scale, dilation=t.operation == "dilation"),
        tolerance=0,
        why=_EXACT,
    ),
)
"""Every transform that compiles."""

COMBINATORS: Sequence[type] = (
    A.Compose,
    A.Sequential,
    A.OneOf,
    A.SomeOf,
    A.RandomOrder,
    A.NoOp,
)
"""Every combinator that compiles, each with its `p`."""


def support_of(transform: object) -> Support | None:
    """Return how a transform is compiled; None if it is not of a class in `TRANSFORMS`."""
    return next((s for s in TRANSFORMS if s.source is type(transform)), None)


def refusals(transform: A.BasicTransform, support: Support, size: Size) -> Iterator[str]:
    """Yield a sentence for each argument that cannot be compiled for images of `size`."""
    name = support.source.__name__
    given = set(type(transform).InitSchema.model_fields) - {"p", "strict"}
    for argument in sorted(given):
        rule = support.arguments.get(argument)
        value = getattr(transform, argument, None)
        if rule is None:
            yield f"{name}({argument}={value!r}): this argument is not known to the compiler"
        elif not rule.accepts(value, size):
            yield f"{name}({argument}={value!r}): must be {rule.text}"
    conflict = support.conflict(transform, size)
    if conflict:
        yield f"{name}({conflict}"


def support_table() -> list[tuple[str, str, str]]:
    """Return what compiles as rows (transform, arguments that may be anything, limits).

    The README's table is made from it.
    """
    rows = []
    for support in TRANSFORMS:
        free = [k for k, rule in support.arguments.items() if rule in (ANY, UNUSED)]
        limits = [f"{k}: {r.text}" for k, r in support.arguments.items() if r not in (ANY, UNUSED)]
        rows.append((support.source.__name__, ", ".join(sorted(free)), "; ".join(sorted(limits))))
    rows += [(combinator.__name__, "", "") for combinator in COMBINATORS]
    return rows


def tolerance_table() -> list[tuple[str, int, float, str]]:
    """Return rows (transform, levels of 0..255, share of pixels that may exceed them, why).

    The tests hold each transform to its row: this far may a pixel be from albumentations' own,
    given the same drawn parameters.
    """
    return [(s.source.__name__, s.tolerance, s.rare, s.why) for s in TRANSFORMS]
