"""What a recipe asks of albumentations, found out without importing it, which takes seconds.

A rehearsal runs the recipe's function in a process of its own, with a stand-in for albumentations
that only writes down what is constructed and with which arguments. `make` asks for a run's name at
every call, and the name follows from the recipe's text; that text can be kept from one call to the
next under what was written down. Nothing has to be known of what a recipe is built from: modules of
the repository, files, variables of the environment and the clock all have their say in each
rehearsal, as they have when it is built.

A recipe that does more with albumentations than to construct things and to take a `Compose` apart
again cannot be rehearsed.
"""

import importlib
import inspect
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from pipeline.errors import UserError

_NUMPY_UNUSED = 623
"""The position in its state of numpy's global generator, before it is seeded or drawn from."""


def rehearse(name: str) -> str | None:
    """Return what a recipe asks for, as text; None if it is faulty or cannot be rehearsed."""
    told = _run_apart(name, seed=0)
    return told and str(json.loads(told)["asked_for"])


def check_it_repeats(name: str) -> None:
    """Rehearse a recipe twice, under other seeds of all that is random in Python.

    Noticed are draws from `random` and `numpy.random`, even such as come out alike by chance; the
    order of a set of texts; and whatever else differs from one process to the next.

    Raises:
        UserError: The recipe is not the same both times.
    """
    first, second = (_run_apart(name, seed=seed) for seed in (0, 1))
    if first != second:
        raise differs(name)


def differs(name: str) -> UserError:
    """Return the refusal of a recipe that is another each time it is built."""
    return UserError(
        f"recipe {name!r} is another each time it is built, so no run could be named after it: it "
        "draws random numbers or reads the clock. Give its transforms ranges; they draw."
    )


def _run_apart(name: str, seed: int) -> str:
    """Return what `_main` prints in a process of its own; empty if it fails."""
    done = subprocess.run(
        [sys.executable, "-m", __name__, name, str(seed)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONIOENCODING": "utf-8"},
        check=False,
    )
    return done.stdout.rpartition("\n")[2] if done.returncode == 0 else ""


@dataclass(slots=True, eq=False)
class _Call:
    """What a constructor of the stand-in returns; it can only be taken apart or passed on."""

    constructor: str
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]

    @property
    def transforms(self) -> Any:
        """What was given to a combinator."""
        given = (*self.arguments, *self.keywords.values())[0]
        if not isinstance(given, list | tuple) or len(self.arguments) > 1:
            raise AttributeError("transforms")
        return given

    def __iter__(self) -> Iterator[Any]:
        return iter(self.transforms)

    def __len__(self) -> int:
        return len(self.transforms)

    def __getitem__(self, place: Any) -> Any:
        return self.transforms[place]


class _Constructor:
    """A class of the stand-in. What inherits from it is a plain class, which no recipe can hold."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        return ()

    def __call__(self, *arguments: Any, **keywords: Any) -> _Call:
        return _Call(self._name, arguments, keywords)


class _StandIn(ModuleType):
    """Answers for albumentations; of its functions, which do something, it has none."""

    def __getattr__(self, name: str) -> _Constructor:
        if not name[:1].isupper():
            raise AttributeError(name)
        return _Constructor(f"{self.__name__}.{name}")


def _describe(value: Any) -> Any:
    """Return a value for JSON, such that values that mean different things look different."""
    if isinstance(value, _Call):
        return [value.constructor, _describe(value.arguments), _describe(value.keywords)]
    kind = type(value).__name__
    if value is None or isinstance(value, bool | int | float | str):
        return [kind, repr(value)]
    if isinstance(value, tuple | list):
        return [kind, *map(_describe, value)]
    if isinstance(value, dict):
        return [kind, *([_describe(key), _describe(each)] for key, each in value.items())]
    raise TypeError(f"{kind} cannot be described")


def _drawn(seed: int) -> list[str]:
    """Return what `random` and `numpy.random` came to; empty for one that was left alone."""
    drawn = []
    if random.getstate() != random.Random(seed).getstate():
        drawn.append(repr(random.getstate()))
    if numpy := sys.modules.get("numpy"):
        _, key, position, *_ = numpy.random.get_state()
        if position != _NUMPY_UNUSED:
            drawn.append(repr((key.tolist(), position)))
    return drawn


def recipes_in(module: ModuleType) -> dict[str, Callable[..., Any]]:
    """Return the recipes of a module, in its order: the public functions that it defines."""
    return {
        name: value
        for name, value in vars(module).items()
        if inspect.isfunction(value)
        and value.__module__ == module.__name__
        and not name.startswith("_")
    }


def _main(name: str, seed: int) -> None:
    for stood_for in ("albumentations", "albumentations.pytorch"):
        sys.modules[stood_for] = _StandIn(stood_for)
    random.seed(seed)
    recipe = recipes_in(importlib.import_module("pipeline.augment.recipes"))[name]()
    asked_for = json.dumps(_describe(recipe))
    print("\n" + json.dumps({"asked_for": asked_for, "drawn": _drawn(seed)}), end="")


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]))
