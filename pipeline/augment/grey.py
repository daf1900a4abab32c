"""What transforms of colours come to on grey images, which have none."""

from typing import Any

NOTHING_TO_DO = ("ChannelShuffle", "ToGray", "ToSepia")
"""On a single channel albumentations gives the image back, with a warning or without."""

_COLOURS_OF = {"HueSaturationValue": ("hue_shift_limit", "sat_shift_limit")}
"""The arguments that albumentations passes over on a single channel, with a warning."""


def on_grey(part: dict[str, Any]) -> dict[str, Any]:
    """Return a transform, as `A.to_dict` has it, with the same meaning and no warnings on grey."""
    name = part.get("__class_fullname__")
    if name in NOTHING_TO_DO:
        return {"__class_fullname__": "NoOp", "p": part["p"]}
    return part | dict.fromkeys(_COLOURS_OF.get(str(name), ()), (0, 0))


def remark_on_grey(part: dict[str, Any]) -> str | None:
    """Return what of a stored transform does nothing to grey images, in words; None if nothing."""
    name = part["__class_fullname__"]
    if name in NOTHING_TO_DO:
        return f"{name} has nothing to do on grey images"
    passed_over = [each for each in _COLOURS_OF.get(name, ()) if any(part[each])]
    return (
        f"{name}: {' and '.join(passed_over)} mean nothing on grey images" if passed_over else None
    )
