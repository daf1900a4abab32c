"""What can be turned: each argument of a recipe and of its transforms, with the range it accepts.

No range is written down here. Those of a recipe's arguments are from `sweep_over`; those of a
transform's are found by asking albumentations' own check, and the compiler's rule, how far they go.
"""

import inspect
import typing
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from types import UnionType
from typing import Any, Literal

import albumentations as A
from pydantic import ValidationError

from pipeline.augment.batched.sampling import BORDERS, INTERPOLATIONS
from pipeline.augment.batched.support import TRANSFORMS
from pipeline.augment.batched.transform import Shape
from pipeline.augment.ranges import Range

_NOT_OF_IMAGES = ("mask", "keypoint", "rotate_method", "strict")
"""Arguments with these words in their names say nothing about images."""

_WORDS = {"interpolation": INTERPOLATIONS, "border_mode": BORDERS}
"""Arguments that are OpenCV's numbers → what the numbers are called here."""

_FARTHEST = 1e5
"""What is accepted as far out as this has no bound."""

_ROOM = 3
"""A slider reaches as many times as far as its value, if no bound is nearer."""

_NARROW = 1000
"""A slider of a number that is 0 shows all between bounds as near as this."""

Number = int | float
Bounds = tuple[Number | None, Number | None]
Control = dict[str, Any]
"""What the page draws a control from: its `name` and `kind`, and `ends`, `choices` or `value`.

Kinds are "number" and "range", with one and two sliders as `ends`; "pairs", a range for each of
`keys`; "switch"; "choice"; "none" for an argument that is not given; "text" for what only shows.
"""


def of_argument(name: str, value: Any, allowed: Range | None) -> Control | None:
    """Return the control of a recipe's argument; None for one that is no number or choice."""
    if isinstance(allowed, list):
        return _choice(name, value, {each: str(each) for each in allowed})
    if isinstance(value, bool):
        return {"name": name, "kind": "switch", "value": value}
    if not isinstance(value, int | float):
        return None
    if allowed is None:
        return {"name": name, "kind": "number", "ends": [_slider(value, abs(value), (None, None))]}
    low, high = allowed
    whole = isinstance(low, int) and isinstance(high, int) and isinstance(value, int)
    slider: dict[str, Any] = {"value": value, "low": low, "high": high, "least": low, "most": high}
    slider |= {"step": 1 if whole else _step(high - low), "whole": whole}
    return {"name": name, "kind": "number", "ends": [slider]}


def of_transform(kind: type, arguments: Mapping[str, Any], shape: Shape) -> list[Control]:
    """Return the controls of a transform's arguments, all of them as albumentations stores them.

    `shape` is that of the images. One that has its default is marked as `plain`, one that may also
    be None as `optional`.
    """
    if not hasattr(kind, "InitSchema"):
        return list(_of_combinator(arguments))
    return [
        _of_transform(kind, name, value, arguments, shape)
        for name, value in arguments.items()
        # Some store arguments of the class that they are made from, which they do not take.
        if name in kind.InitSchema.model_fields and not any(word in name for word in _NOT_OF_IMAGES)
    ]


def _of_combinator(arguments: Mapping[str, Any]) -> Iterator[Control]:
    for name, value in arguments.items():
        if name == "p":
            yield {"name": name, "kind": "number", "ends": [_slider(value, value, (0.0, 1.0))]}
        elif isinstance(value, bool):
            yield {"name": name, "kind": "switch", "value": value}
        elif isinstance(value, int):
            yield {"name": name, "kind": "number", "ends": [_slider(value, value, (1, 20))]}


def _of_transform(
    kind: type, name: str, value: Any, arguments: Mapping[str, Any], shape: Shape
) -> Control:
    options = _options(kind.InitSchema.model_fields[name].annotation)  # type: ignore[attr-defined]
    control: Control = {"name": name, "plain": value == _defaults(kind).get(name)}
    control["optional"] = type(None) in options
    literals = [each for each in options if typing.get_origin(each) is Literal]
    words = [word for literal in literals for word in typing.get_args(literal)]
    bounds: Bounds = (None, None)
    if _numbers(value):
        bounds = _bounds(kind, name, shape, single=isinstance(value, int | float))
    reach = max(map(abs, _numbers(value)), default=0)

    def pair(given: Any) -> list[dict[str, Any]]:
        return [_slider(end, reach, bounds) for end in given]

    if isinstance(value, bool):
        control |= {"kind": "switch", "value": value}
    elif value in words:
        control |= _choice(name, value, {w: str(_WORDS.get(name, {}).get(w, w)) for w in words})
    elif isinstance(value, int | float):
        control |= {"kind": "number", "ends": [_slider(value, reach, bounds)]}
    elif _is_pair(value):
        control |= {"kind": "range", "ends": pair(value)}
    elif isinstance(value, dict) and all(map(_is_pair, value.values())):
        ends = [end for each in value.values() for end in pair(each)]
        control |= {"kind": "pairs", "keys": list(value), "ends": ends}
    elif value is None:
        starts = (each for each in _STARTS if accepts(kind, {name: each}))
        control |= {"kind": "none", "start": next(starts, None)}
    else:
        control |= {"kind": "text", "value": repr(value)}
    return control


_STARTS = (0, (0, 0), 1, (1, 1), (2, 2))
"""Values to begin with for an argument that was not given: the first that is accepted."""


def _choice(name: str, value: Any, words: Mapping[Any, str]) -> Control:
    return {"name": name, "kind": "choice", "value": value, "choices": list(words.items())}


def _slider(value: Number, reach: Number, bounds: Bounds) -> dict[str, Any]:
    """A slider for a number: as far as there is use for, though a bound may be further out."""
    least, most = bounds
    whole = all(isinstance(each, int) for each in (value, least, most) if each is not None)
    if not reach and least is not None and most is not None and most - least < _NARROW:
        reach = max(abs(least), abs(most)) / _ROOM
    reach = _ROOM * reach or (10 if whole else 1)
    low = -reach if least is None else max(least, -reach)
    high = reach if most is None else min(most, max(reach, low + reach))
    step = 1 if whole else _step(high - low)
    low, high = min(low, value), max(high, value)
    slider = {"value": value, "low": low, "high": high, "least": least, "most": most}
    return slider | {"step": step, "whole": whole}


def _step(width: Number) -> float:
    """A round step of which a slider has a hundred or more."""
    step = 1.0
    while step * 100 > width and step > 1e-5:
        step /= 10
    return round(step, 6)


def _options(annotation: Any) -> list[Any]:
    """The members of a union, and of the unions in it."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _options(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (typing.Union, UnionType):
        return [each for member in typing.get_args(annotation) for each in _options(member)]
    return [annotation]


def _numbers(value: Any) -> list[Number]:
    if isinstance(value, Mapping):
        return [number for each in value.values() for number in _numbers(each)]
    if isinstance(value, tuple | list):
        return [number for each in value for number in _numbers(each)]
    return [value] if isinstance(value, int | float) and not isinstance(value, bool) else []


def tuples(value: Any) -> Any:
    """Return JSON's lists as the tuples that they were: albumentations reads [3, 7] as floats."""
    if isinstance(value, list | tuple):
        return tuple(map(tuples, value))
    return {k: tuples(v) for k, v in value.items()} if isinstance(value, dict) else value


def read_part(part: dict[str, Any]) -> dict[str, Any]:
    """Return a stored transform or combinator as it was, from JSON; an `object_hook`."""
    return {name: value if name == "transforms" else tuples(value) for name, value in part.items()}


def _is_pair(value: Any) -> bool:
    return isinstance(value, tuple | list) and len(value) == len(_numbers(value)) == 2


def stored(kind: type, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return all arguments of a transform that is given these, as albumentations stores them.

    Raises:
        ValueError, TypeError: One is not accepted, or is missing.
    """
    found = A.to_dict(construct(kind, arguments))["transform"]
    return {k: v for k, v in found.items() if k not in ("__class_fullname__", "transforms")}


def construct(kind: type, arguments: Mapping[str, Any]) -> Any:
    """Return a transform made from these arguments; what albumentations warns of is not said.

    Raises:
        ValueError, TypeError: One is not accepted, or is missing.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return kind(**arguments)


@cache
def _defaults(kind: type) -> dict[str, Any]:
    try:
        return stored(kind, {})
    except (TypeError, ValueError):  # one that cannot be made from nothing
        return {}


def faults(kind: type, arguments: Mapping[str, Any]) -> dict[str, str]:
    """Return what albumentations' own check says against arguments: by argument, or under "".

    Those that are left out have their defaults.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kind.InitSchema(**_by_default(kind) | dict(arguments), strict=True)  # type: ignore[attr-defined]
    except ValidationError as error:
        found: dict[str, list[str]] = {}
        for each in error.errors():
            where = str(each["loc"][0]) if each["loc"] else ""
            found.setdefault(where, []).append(each["msg"].removeprefix("Value error, "))
        return {where: "; or ".join(dict.fromkeys(said)) for where, said in found.items()}
    except Exception as error:  # a check that fails where it should refuse
        return {"": str(error) or type(error).__name__}
    return {}


def accepts(kind: type, arguments: Mapping[str, Any]) -> bool:
    """Say whether albumentations' own check accepts arguments."""
    return not faults(kind, arguments)


@cache
def _by_default(kind: type) -> dict[str, Any]:
    known = inspect.signature(kind).parameters.values()
    return {p.name: p.default for p in known if p.default is not p.empty and p.name != "strict"}


@cache
def _bounds(kind: type, name: str, shape: Shape, *, single: bool) -> Bounds:
    """How far down and up a number of an argument may go and still compile; None: without end."""
    supports = [support for support in TRANSFORMS if support.source is kind]
    rules = [each.arguments[name] for each in supports if name in each.arguments]

    def allowed(number: Number) -> bool:
        # A range of one point: that its ends are in order is not what bounds them.
        arguments = {name: number if single else (number, number)}
        if not accepts(kind, arguments):
            return False
        try:
            made = getattr(construct(kind, arguments), name, None)
        except (TypeError, ValueError):  # some check more as they are made
            return False
        return all(rule.accepts(made, shape) for rule in rules)

    for start in (0, 1, 2, 3, 0.5):
        if allowed(start):
            whole = not (allowed(start + 0.5) or allowed(start - 0.5))
            step = 1 if whole else 0.01
            least, most = (_farthest(allowed, start, sign * step) for sign in (-1, 1))
            return (None, None) if least == most else (least, most)
    return None, None


def _farthest(allowed: Callable[[Number], bool], start: Number, step: Number) -> Number | None:
    """The last number allowed of those a step apart, on one side of one that is allowed."""
    good, bad = 0, 1
    while allowed(start + bad * step):
        good, bad = bad, 2 * bad
        if abs(good * step) > _FARTHEST:
            return None
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if allowed(start + middle * step) else (good, middle)
    return round(start + good * step, 6)
