"""Random arguments for a transform, over the whole range that albumentations itself accepts.

They are drawn from the types that albumentations declares for its constructor, with the ends of
all that is reasonable among them: none, one, the image's size, beyond it, negative, huge. What
albumentations then refuses is drawn again.
"""

import random
import types
import warnings
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import albumentations as A

_WHOLE = (0, 1, 2, 3, 4, 5, 7, 13, 14, 15, 27, 28, 29, 30, 40, 57, 100, 255, 256, 1000, -1, -3, -28)
_SHARES = (
    0.0,
    1e-6,
    0.01,
    0.034,
    0.036,
    0.1,
    0.25,
    0.5,
    0.9,
    0.999999,
    1.0,
    1.0001,
    1.5,
    -0.5,
    -1.0,
)


def _number(rng: random.Random) -> float:
    kind = rng.randrange(4)
    if kind == 0:
        return float(rng.choice(_WHOLE))
    if kind == 1:
        return rng.choice(_SHARES)
    if kind == 2:
        return rng.uniform(-1, 1) if rng.random() < 0.3 else rng.random()
    return rng.choice((1, 1, 1, -1)) * 10 ** rng.uniform(-3, 4)


def _whole(rng: random.Random) -> int:
    return rng.choice(_WHOLE) if rng.random() < 0.7 else rng.randrange(1, 40)


def _value(kind: Any, rng: random.Random) -> Any:
    """Return a random value of a type as pydantic's fields declare it."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _value(inner[0], rng)
    if origin in (Union, types.UnionType):
        return _value(rng.choice(inner), rng)
    if origin is Literal:
        return rng.choice(inner)
    if origin is dict:
        return {key: _value(inner[1], rng) for key in rng.choice(["x", "y", "xy", "xy"])}
    if origin is tuple:
        if inner[-1] is Ellipsis:
            return tuple(_value(inner[0], rng) for _ in range(rng.choice((1, 1, 3))))
        values = [_value(each, rng) for each in inner]
        if rng.random() < 0.15:
            values[1] = values[0]
        return tuple(sorted(values) if rng.random() < 0.95 else values)
    if kind is bool:
        return rng.random() < 0.5
    if kind is float:
        return _number(rng)
    if kind is int:
        return _whole(rng)
    assert kind is type(None), kind
    return None


def random_arguments(cls: type[A.BasicTransform], rng: random.Random) -> dict[str, Any]:
    """Return arguments for some of the constructor's parameters; the others keep their defaults."""
    fields = {
        name: field.annotation
        for name, field in cls.InitSchema.model_fields.items()
        if name not in ("p", "strict")
    }
    names = [name for name in fields if "mask" not in name and "keypoint" not in name]
    # A few at a time: of many together, one is nearly always what the compiler refuses.
    count = min(rng.randint(min(1, len(names)), len(names)) for _ in range(2))
    chosen = rng.sample(names, count)
    return {name: _value(fields[name], rng) for name in chosen}


def random_transform(
    cls: type[A.BasicTransform], rng: random.Random
) -> tuple[dict[str, Any], A.BasicTransform]:
    """Return arguments that albumentations accepts, and the transform that always fires."""
    while True:
        arguments = random_arguments(cls, rng)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return arguments, cls(p=1.0, **arguments)
        except (ValueError, TypeError, OverflowError, ArithmeticError):
            continue
