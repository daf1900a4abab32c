"""What compiles: each albumentations transform, with what its arguments may be.

This is data: `compiler` checks a recipe against it, and the table in the README is made from it.
An argument that is not listed here, in whatever version of albumentations, is refused.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import albumentations as A
import cv2

from pipeline.augment.batched import affine, colour, distortion, dropout, filters, frame, pixel
from pipeline.augment.batched.elastic import Elastic
from pipeline.augment.batched.sampling import BORDERS, INTERPOLATIONS
from pipeline.augment.batched.transform import Shape, Size, Transform, fill_value


@dataclass(frozen=True)
class Rule:
    """What an argument may be: in words, and as a test of a value for images of (C, H, W)."""

    text: str
    accepts: Callable[[Any, Shape], bool]


def _numbers(value: Any) -> list[float]:
    """Return the numbers in a scalar, a range, or a mapping of ranges, from least to greatest."""
    if isinstance(value, Mapping):
        return sorted(number for inner in value.values() for number in _numbers(inner))
    return sorted(value) if isinstance(value, Sequence) else [] if value is None else [value]


def _is_pixel(value: object) -> bool:
    return isinstance(value, int | float) and value in range(256)


def _fills(value: Any, shape: Shape) -> bool:
    if isinstance(value, tuple) and shape[0] > 1:
        return len(value) <= shape[0] and all(map(_is_pixel, value))
    return _is_pixel(fill_value(value))


def _fills_holes(value: Any, shape: Shape) -> bool:
    if isinstance(value, tuple | list):  # albumentations wants one number for each channel
        return len(value) == shape[0] and all(map(_is_pixel, value))
    return _is_pixel(value) or value in ("random", "random_uniform")


def only(value: object, because: str) -> Rule:
    """Return the rule that an argument is left at `value`."""
    return Rule(f"only {value!r}: {because}", lambda given, _: given == value)


def within(limit: float) -> Rule:
    """Return the rule that no number is further from 0: float32 would no longer carry its pixel."""
    return Rule(
        f"within ±{limit:,}", lambda given, _: all(abs(n) <= limit for n in _numbers(given))
    )


ANY = Rule("any", lambda *_: True)
PIXEL = Rule("whole numbers 0..255", _fills)
HOLE_FILL = Rule("whole numbers 0..255, 'random' or 'random_uniform'", _fills_holes)
INTERPOLATION = Rule("nearest, linear, area or cubic", lambda given, _: given in INTERPOLATIONS)
BORDER = Rule(
    "constant, replicate, reflect, reflect_101 or wrap", lambda given, _: given in BORDERS
)
SCALE = Rule("at least 0.01", lambda given, _: _numbers(given)[0] >= 0.01)
IN_IMAGE = Rule(
    "no larger than the image", lambda given, shape: _numbers(given)[-1] <= min(shape[1:])
)
ONE_A_PIXEL = Rule(
    "at most one a pixel", lambda given, shape: max([0, *_numbers(given)]) <= min(shape[1:])
)
NO_COLOUR = Rule(
    "in colour anything; only (0, 0) on grey images, which have none",
    lambda given, shape: shape[0] > 1 or given == (0, 0),
)
FIXED = Rule("anything but 'random'", lambda given, _: given != "random")
SAME_SIZE = only(False, "the size of the output would vary")


def _any(names: str) -> dict[str, Rule]:
    return dict.fromkeys(names.split(), ANY)


# What concerns masks and key points, and the size of the output, has no effect on images.
_SAMPLING = {"interpolation": INTERPOLATION, "border_mode": BORDER, "fill": PIXEL} | _any(
    "fill_mask mask_interpolation"
)
_FRAME = {"border_mode": BORDER, "fill": PIXEL} | _any("fill_mask")
_AFFINE = _SAMPLING | _any("rotate_method")
_DISTORTION = _SAMPLING | _any("keypoint_remapping_method")
_HOLES = {"fill": HOLE_FILL} | _any("fill_mask")


@dataclass(frozen=True)
class Support:
    """How one albumentations transform is compiled.

    Attributes:
        source: The albumentations class; a subclass of it is another transform.
        build: Turns an instance, whose arguments were accepted, into the compiled transform.
        arguments: Each argument of its constructor but `p` → what it may be.
        tolerance: How far a pixel (0..255) may be from albumentations' own, given the same drawn
            parameters. One level comes from float32 coordinates and sums where OpenCV has float64:
            both round to whole pixel values.
        rare: The share of pixels that may be further off than that.
        conflict: Returns what is wrong with the arguments together, or for images of that
            (H, W), as "argument=value): reason"; or None.
        on_grey: Whether it compiles on grey images too.
    """

    source: type[A.BasicTransform]
    build: Callable[[Any], Transform]
    arguments: Mapping[str, Rule]
    tolerance: int = 1
    rare: float = 0.0
    conflict: Callable[[Any, Size], str | None] = lambda *_: None
    on_grey: bool = True


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


def _crops(crop: A.RandomCrop, size: Size) -> str | None:
    if not crop.pad_if_needed and (crop.height > size[0] or crop.width > size[1]):
        return f"height={crop.height}, width={crop.width}): larger than the image"
    return None


def _by_area(resize: A.Resize, size: Size) -> str | None:
    smaller = resize.height < size[0] or resize.width < size[1]
    if resize.area_for_downscale and smaller:
        return f"area_for_downscale={resize.area_for_downscale!r}): must be None to make it smaller"
    return None


def _half_a_pixel(optical: A.OpticalDistortion, size: Size) -> str | None:
    if optical.mode == "camera" and optical.interpolation == cv2.INTER_NEAREST:
        return "mode='camera', interpolation=0): moves by half a pixel, to no nearest one"
    return None


TRANSFORMS: Sequence[Support] = (
    Support(
        A.Affine,
        affine.Affine,
        _AFFINE
        | _any("keep_ratio balanced_scale")
        | {
            "scale": SCALE,
            "translate_percent": within(10),
            "translate_px": within(280),
            "rotate": within(36_000),
            "shear": within(80),
            "fit_output": SAME_SIZE,
        },
    ),
    Support(
        A.ShiftScaleRotate,
        affine.Affine,
        _AFFINE
        | _any("shift_limit shift_limit_x shift_limit_y")
        | {
            "scale_limit": Rule("above -0.99", lambda given, _: given[0] >= 0.01),
            "rotate_limit": within(36_000),
        },
    ),
    Support(A.Rotate, affine.Rotate, _AFFINE | {"limit": within(36_000), "crop_border": SAME_SIZE}),
    Support(
        A.Perspective,
        affine.Perspective,
        _SAMPLING
        | _any("scale")
        | {
            "keep_size": only(True, "the size of the output would vary"),
            "fit_output": only(False, "its frame is rounded to whole pixels for each image"),
        },
    ),
    Support(A.HorizontalFlip, affine.Flip, {}, tolerance=0),
    Support(A.VerticalFlip, affine.Flip, {}, tolerance=0),
    Support(
        A.ElasticTransform,
        Elastic,
        _DISTORTION
        | _any("sigma approximate same_dxdy noise_distribution")
        | {"alpha": within(1000)},
        tolerance=2,  # the smoothed field is kept to 0.02 px at alpha 34
        rare=0.0001,
    ),
    Support(
        A.GridDistortion,
        distortion.Grid,
        _DISTORTION | _any("distort_limit normalized") | {"num_steps": ONE_A_PIXEL},
        conflict=_has_width,
    ),
    Support(
        A.OpticalDistortion,
        distortion.Optical,
        _DISTORTION | _any("mode") | {"distort_limit": within(3)},
        conflict=_half_a_pixel,
    ),
    Support(
        A.ThinPlateSpline,
        distortion.ThinPlateSpline,
        _DISTORTION
        | _any("scale_range")
        | {
            "num_control_points": Rule(
                "at most 5: albumentations' float32 solves no larger splines", lambda n, _: n <= 5
            )
        },
        tolerance=2,  # albumentations solves the spline's equations in float32
    ),
    Support(
        A.CoarseDropout,
        dropout.CoarseDropout,
        _HOLES
        | _any("hole_height_range hole_width_range")
        | {"num_holes_range": Rule("at most 256", lambda given, _: given[1] <= 256)},
        tolerance=0,
        conflict=_holes_fit,
    ),
    Support(
        A.Erasing,
        dropout.Erasing,
        _HOLES | _any("scale ratio"),
        tolerance=0,
        conflict=_rectangle_fits,
    ),
    Support(
        A.GridDropout,
        dropout.GridDropout,
        _HOLES
        | _any("ratio random_offset shift_xy")
        | {
            "holes_number_xy": ONE_A_PIXEL,
            "unit_size_range": only(None, "the number of cells would vary"),
        },
        tolerance=0,
    ),
    Support(
        A.GaussNoise,
        pixel.GaussNoise,
        _any("std_range mean_range noise_scale_factor per_channel"),
        tolerance=0,
    ),
    Support(
        A.RandomBrightnessContrast,
        pixel.BrightnessContrast,
        _any("brightness_limit contrast_limit brightness_by_max ensure_safe_range"),
    ),
    Support(A.RandomGamma, pixel.Gamma, _any("gamma_limit")),
    Support(
        A.HueSaturationValue,
        colour.HueSaturationValue,
        {"hue_shift_limit": NO_COLOUR, "sat_shift_limit": NO_COLOUR, "val_shift_limit": ANY},
    ),
    Support(
        A.ColorJitter,
        colour.ColorJitter,
        _any("brightness contrast saturation hue"),
        tolerance=2,
        rare=0.01,  # a level of the rounding from HSV, times the factors that come after it
        on_grey=False,
    ),
    Support(
        A.ToGray,
        colour.ToGray,
        {
            "num_output_channels": only(3, "as many as the image has"),
            "method": Rule(
                "weighted_average, max, average or desaturation",
                lambda given, _: given in ("weighted_average", "max", "average", "desaturation"),
            ),
        },
        on_grey=False,
    ),
    Support(A.ToSepia, colour.ToSepia, {}, on_grey=False),
    Support(
        A.RGBShift,
        colour.RGBShift,
        _any("r_shift_limit g_shift_limit b_shift_limit"),
        on_grey=False,
    ),
    Support(A.ChannelShuffle, colour.ChannelShuffle, {}, tolerance=0, on_grey=False),
    Support(A.Pad, frame.Pad, _FRAME | _any("padding"), tolerance=0),
    Support(
        A.PadIfNeeded,
        frame.Pad,
        _FRAME
        | _any("min_height min_width pad_height_divisor pad_width_divisor")
        | {"position": FIXED},
        tolerance=0,
    ),
    Support(
        A.RandomCrop,
        frame.RandomCrop,
        _FRAME | _any("height width pad_if_needed") | {"pad_position": FIXED},
        tolerance=0,
        conflict=_crops,
    ),
    Support(
        A.Resize,
        frame.Resize,
        _any("height width mask_interpolation area_for_downscale")
        | {
            "interpolation": Rule(
                "nearest, linear or cubic",
                lambda given, _: given in (cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC),
            )
        },
        conflict=_by_area,
    ),
    Support(A.InvertImg, pixel.Invert, {}, tolerance=0),
    Support(
        A.GaussianBlur,
        filters.GaussianBlur,
        {
            "blur_limit": IN_IMAGE,
            "sigma_limit": Rule(
                "positive, at most the image's side",
                lambda given, shape: given[0] > 0 and given[1] <= min(shape[1:]),
            ),
        },
    ),
    Support(
        A.Sharpen,
        filters.Sharpen,
        _any("alpha lightness kernel_size sigma")  # the last two go with the other method
        | {"method": only("kernel", "the other one wraps around 256 in albumentations 2.0.8")},
    ),
    Support(
        A.UnsharpMask,
        filters.UnsharpMask,
        _any("alpha threshold")
        | {
            "blur_limit": IN_IMAGE,
            "sigma_limit": Rule(
                "0, or all positive", lambda given, _: given[0] > 0 or given == (0.0, 0.0)
            ),
        },
        rare=0.001,  # a residual that is the threshold but for rounding counts as over it or not
    ),
    Support(
        A.Morphological, filters.Morphological, _any("operation") | {"scale": IN_IMAGE}, tolerance=0
    ),
)
"""Every transform that compiles."""

COMBINATORS: Sequence[type] = (A.Compose, A.Sequential, A.OneOf, A.SomeOf, A.RandomOrder, A.NoOp)
"""Every combinator that compiles, each with its `p`."""


def support_of(transform: object) -> Support | None:
    """Return how a transform is compiled; None if it is not of a class in `TRANSFORMS`."""
    return next((s for s in TRANSFORMS if s.source is type(transform)), None)


def refusals(transform: A.BasicTransform, support: Support, shape: Shape) -> Iterator[str]:
    """Yield a sentence for each argument that cannot be compiled for images of `shape`."""
    name = support.source.__name__
    if shape[0] == 1 and not support.on_grey:
        yield f"{name}: no batched version of this transform for grey images"
        return
    given = set(type(transform).InitSchema.model_fields) - {"p", "strict"}
    for argument in sorted(given):
        rule = support.arguments.get(argument)
        value = getattr(transform, argument, None)
        if rule is None:
            yield f"{name}({argument}={value!r}): this argument is not known to the compiler"
        elif not rule.accepts(value, shape):
            yield f"{name}({argument}={value!r}): must be {rule.text}"
    if conflict := support.conflict(transform, shape[1:]):
        yield f"{name}({conflict}"
