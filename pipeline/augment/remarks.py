"""What is worth knowing of a recipe before it is trained on, though it stops nothing."""

import json
from collections.abc import Iterator
from typing import Any

from pipeline.augment.grey import remark_on_grey
from pipeline.augment.registry import stored_parts
from pipeline.data.competition import Competition

_NEUTRAL = {
    ("Affine", "rotate"): (0, "turns"),
    ("Affine", "scale"): (1, "zooms"),
    ("Affine", "shear"): (0, "slants"),
    ("Affine", "translate_percent"): (0, "moves"),
    ("Affine", "translate_px"): (0, "moves"),
    ("OpticalDistortion", "distort_limit"): (0, "distorts"),
    ("RandomBrightnessContrast", "brightness_limit"): (0, "changes"),
    ("RandomBrightnessContrast", "contrast_limit"): (0, "changes"),
    ("RandomGamma", "gamma_limit"): (100, "changes"),
    ("Rotate", "limit"): (0, "turns"),
    ("SafeRotate", "limit"): (0, "turns"),
    ("ShiftScaleRotate", "rotate_limit"): (0, "turns"),
    ("ShiftScaleRotate", "scale_limit"): (0, "zooms"),
    ("ShiftScaleRotate", "shift_limit_x"): (0, "moves"),
    ("ShiftScaleRotate", "shift_limit_y"): (0, "moves"),
}
"""Ranges that are drawn from for each image, with the value that leaves it as it is: where both
ends are the same other value, a minus was forgotten."""


_MIRRORS = ("HorizontalFlip", "VerticalFlip", "Transpose", "D4")


def remarks(recipe: str, competition: Competition) -> list[str]:
    """Return what is worth knowing of a serialised recipe for such images, a sentence each."""
    found: list[str] = []
    are_characters = all(len(name) == 1 for name in competition.class_names)
    for part in stored_parts(json.loads(recipe)["transform"]):
        name = part["__class_fullname__"]
        found += _one_point(part)
        if competition.image_shape[0] == 1 and (remark := remark_on_grey(part)):
            found.append(remark)
        if are_characters and name in _MIRRORS:
            found.append(f"{name} mirrors images: of written digits and letters it makes others")
    return list(dict.fromkeys(found))


def _one_point(part: dict[str, Any]) -> Iterator[str]:
    """Yield a sentence for each range of a stored transform whose ends are the same."""
    name = part["__class_fullname__"]
    for (of, argument), (neutral, verb) in _NEUTRAL.items():
        value = part.get(argument) if of == name else None
        ranges = value if isinstance(value, dict) else {"": value} if value else {}
        points = [low for low, high in ranges.values() if low == high != neutral]
        if points:
            directions = " and ".join(d for d, (low, _) in ranges.items() if d and low in points)
            of_which = f" in {directions}" if directions else ""
            yield (
                f"{name}({argument}) has a range of one point{of_which}, {points[0]:g}: it {verb} "
                "every image the same way; a range has two ends"
            )
