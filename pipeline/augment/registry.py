"""Finds recipes by name, and keeps them as text that can be replayed."""

import hashlib
import importlib
import inspect
import json
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.augment.blame import RECIPES_FILE, blaming_the_recipe, first_line
from pipeline.augment.grey import on_grey
from pipeline.augment.ranges import Range
from pipeline.augment.rehearsal import check_it_repeats, differs, recipes_in, rehearse
from pipeline.data.files import write_text
from pipeline.errors import UserError

if TYPE_CHECKING:
    import albumentations as A


def recipe_text(name: str, cache: Path) -> str:
    """Return the recipe of that name in albumentations' serialised form, as JSON text.

    Whatever the recipe is built from decides its text. As importing albumentations takes seconds,
    and `make` asks at every call, texts are kept in the folder `cache` under what a rehearsal says
    that the recipe asks albumentations for (see `rehearsal`); a recipe that cannot be rehearsed is
    built each time.

    Raises:
        UserError: There is no such recipe, it is faulty, or it is another each time it is built.
    """
    # Where albumentations is imported already, to build the recipe takes no time.
    asked_for = None if "albumentations" in sys.modules else rehearse(name)
    if not asked_for:
        return _built_text(name)
    # What reads a recipe decides as well: the library, and what this file accepts.
    reader = metadata.version("albumentations").encode() + Path(__file__).read_bytes()
    key = hashlib.sha256(reader + asked_for.encode()).hexdigest()[:16]
    kept = cache / f"{key}.json"
    try:
        text = kept.read_text(encoding="utf-8")
        json.loads(text)
    except (FileNotFoundError, ValueError):  # none, or a damaged one
        check_it_repeats(name)
        text = _built_text(name)
        write_text(kept, text)
    return text


def _built_text(name: str) -> str:
    first, second = (serialise(build_recipe(name), name) for _ in range(2))
    if first != second:
        raise differs(name)
    return first


def build_recipe(name: str, values: Mapping[str, object] | None = None) -> "A.Compose":
    """Return what the function of that name in `recipes.py` makes, by its defaults or by values.

    Raises:
        UserError: There is no such function, the file or the function fails, or an argument is
            one that albumentations would ignore.
    """
    function = find_recipe(name)
    import albumentations as A

    recipe = blaming_the_recipe(f"recipe {name!r}", partial(function, **(values or {})))
    if not isinstance(recipe, A.Compose):
        raise UserError(
            f"recipe {name!r} in {RECIPES_FILE.name} returned {type(recipe).__name__}; "
            "it must return an albumentations.Compose."
        )
    return recipe


def recipe_ranges(name: str) -> dict[str, tuple[Range, Any]]:
    """Return the range and the default of each argument that `sweep_over` declares.

    Raises:
        UserError: There is no such recipe, or the file is faulty.
    """
    recipe = find_recipe(name)
    arguments = inspect.signature(recipe).parameters
    ranges: dict[str, Range] = getattr(recipe, "sweep_ranges", {})
    return {name: (allowed, arguments[name].default) for name, allowed in ranges.items()}


def serialise(recipe: "A.Compose", name: str) -> str:
    """Return a recipe as canonical JSON text, from which `deserialise` makes the same recipe.

    Raises:
        UserError: It has a part that albumentations could not make again from a text, such as a
            Lambda or a class of the user's own; or an argument that is no finite number.
    """
    import albumentations as A

    def not_storable(why: str) -> UserError:
        return UserError(
            f"recipe {name!r} cannot be stored with the run: {why}. Use albumentations' own "
            "transforms."
        )

    for part in _parts_of(recipe):
        kind = type(part)
        if not kind.__module__.startswith("albumentations.") or not kind.is_serializable():
            raise not_storable(f"{kind.__name__} is code of your own, which no text holds")
        if isinstance(part, A.SelectiveChannelTransform):
            raise not_storable(f"albumentations forgets the channels of {kind.__name__}")
    try:
        stored = A.to_dict(recipe)
        text = json.dumps(stored, sort_keys=True)
    except Exception as error:
        raise not_storable(first_line(error)) from None
    for part in stored_parts(stored["transform"]):
        for argument, value in part.items():
            if argument != "transforms" and not _is_finite(value):
                fault = f"{part['__class_fullname__']}({argument}={value!r})"
                raise UserError(f"recipe {name!r}: {fault} must be made of finite numbers.")
    return text


def _is_finite(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True


def _parts_of(node: Any) -> Iterator[Any]:
    """Yield a combinator or transform and all that it is made of."""
    import albumentations as A

    yield node
    if isinstance(node, A.BaseCompose):
        for child in node.transforms:
            yield from _parts_of(child)


def stored_parts(part: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a stored combinator or transform and all that it is made of."""
    yield part
    for child in part.get("transforms", ()):
        yield from stored_parts(child)


def deserialise(text: str, *, num_channels: int = 1) -> "A.Compose":
    """Return what `serialise` wrote; for one channel without what only changes colours.

    Raises:
        UserError: The text is not a recipe.
    """
    import albumentations as A

    def read(part: dict[str, Any]) -> dict[str, Any]:
        # JSON's lists back into the tuples they were: albumentations reads the list [3, 7] as
        # (3.0, 7.0), and where 3 means pixels, 3.0 means a share of the image.
        part = {
            name: tuple(value) if isinstance(value, list) and name != "transforms" else value
            for name, value in part.items()
        }
        return on_grey(part) if num_channels == 1 else part

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what there was to say was said when it was built
            recipe = A.from_dict(json.loads(text, object_hook=read))
    except Exception as error:
        raise UserError(f"the stored recipe cannot be read: {first_line(error)}.") from None
    if not isinstance(recipe, A.Compose):
        raise UserError(f"the stored recipe is a {type(recipe).__name__}, not a Compose.")
    return recipe


def find_recipe(name: str) -> Callable[..., "A.Compose"]:
    """Return the function of that name in `recipes.py`; a UserError if there is none."""
    functions = recipe_functions()
    if name not in functions:
        raise UserError(
            f"AUGMENT={name!r} is not known; choose one of: {', '.join(functions)}, "
            "or add a function of that name to pipeline/augment/recipes.py."
        )
    return functions[name]


def recipe_functions() -> dict[str, Callable[..., "A.Compose"]]:
    """Return all recipes of `recipes.py` by name, in its order; a UserError if it is faulty."""
    module = blaming_the_recipe(
        RECIPES_FILE.name, lambda: importlib.import_module("pipeline.augment.recipes")
    )
    return recipes_in(module)
