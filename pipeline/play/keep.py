"""Keeps a recipe: as Python text, and as a function in `recipes.py`."""

import ast
import importlib
import importlib.util
import inspect
import json
import keyword
import re
import subprocess
import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import albumentations as A

from pipeline.augment.blame import RECIPES_FILE, blaming_the_recipe
from pipeline.augment.registry import serialise
from pipeline.augment.rehearsal import recipes_in
from pipeline.data.files import write_text
from pipeline.errors import UserError
from pipeline.play.controls import read_part, stored

_MODULE = "pipeline.augment.recipes"


def as_python(text: str, name: str, what: str) -> str:
    """Return a serialised recipe as the source of a function of that name, formatted.

    Arguments that have their defaults are left out. `what` is its docstring's sentence.
    """
    whole = json.loads(text, object_hook=read_part)["transform"]
    transforms = [_call(part) for part in whole["transforms"]]
    keywords = {"p": whole["p"]} if whole["p"] != 1 else {}
    compose = _construct("Compose", [ast.List(transforms, ast.Load())], keywords)
    function = ast.parse(f"def {name}() -> A.Compose:\n    {what!r}\n    return 0\n")
    definition = function.body[0]
    assert isinstance(definition, ast.FunctionDef)
    definition.body[-1] = ast.Return(compose)
    return _formatted(ast.unparse(ast.fix_missing_locations(function)))


def save(text: str, name: str, what: str, *, replace: bool) -> str:
    """Write a serialised recipe into `recipes.py` as a function of that name; return its source.

    What the file would make then is compared with the recipe before anything is written; all else
    in the file stays as it is, byte by byte. By `replace` it takes the place of one that is there.

    Raises:
        Taken: There is one, and it is not to be replaced.
        UserError: The name is none for a function or is used in the file for something else, or
            the file is faulty.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name) or keyword.iskeyword(name):
        raise UserError(
            f"{name!r} cannot name a recipe: use 1 to 40 small letters, digits and '_', starting "
            "with a letter."
        )
    source = RECIPES_FILE.read_text(encoding="utf-8")
    before = _read_module(source)
    there = recipes_in(before)
    if hasattr(before, name) and name not in there:
        raise UserError(f"{name!r} is something else in recipes.py; choose another name.")
    written = as_python(text, name, what)
    edited = _put(source, name, written)
    after = _read_module(edited)
    changed = [
        other
        for other, recipe in there.items()
        if other != name and _is_changed(recipe, recipes_in(after)[other], other, by=name)
    ]
    if name in there and not replace:
        raise Taken(name, changed)
    if _made(recipes_in(after)[name], name) != text:
        raise UserError("this recipe has more to it than its transforms; save it by hand.")
    write_text(RECIPES_FILE, edited)
    read_again()
    return written


class Taken(UserError):
    """There is a recipe of that name."""

    def __init__(self, name: str, changed: list[str]) -> None:
        also = f" It is part of {' and '.join(changed)}, which would change too." if changed else ""
        super().__init__(f"recipes.py has a recipe {name!r} already.{also}")


def read_again() -> None:
    """Let the next that asks for a recipe read `recipes.py` as it is now."""
    # By time and size, Python would take two edits within a second for one.
    Path(importlib.util.cache_from_source(str(RECIPES_FILE))).unlink(missing_ok=True)
    importlib.invalidate_caches()
    sys.modules.pop(_MODULE, None)


def _made(recipe: Callable[[], A.Compose], name: str) -> str:
    return serialise(blaming_the_recipe(f"recipe {name!r}", recipe), name)


def _is_changed(
    before: Callable[[], A.Compose], after: Callable[[], A.Compose], name: str, *, by: str
) -> bool:
    try:
        return _made(before, name) != _made(after, name)
    except UserError as error:
        raise UserError(f"without the {by!r} that is there, {error}") from None


def _read_module(source: str) -> types.ModuleType:
    """What a text would be as `recipes.py`."""
    module = types.ModuleType(_MODULE)
    module.__file__ = str(RECIPES_FILE)

    def run() -> None:
        exec(compile(source, str(RECIPES_FILE), "exec"), vars(module))

    blaming_the_recipe(RECIPES_FILE.name, run)
    return module


def _put(source: str, name: str, written: str) -> str:
    """The source with a function at its end, or in the place of the one of that name."""
    lines = source.splitlines(keepends=True)
    places = [
        each
        for each in ast.parse(source).body
        if isinstance(each, ast.FunctionDef) and each.name == name
    ]
    if not places:
        return f"{source.rstrip()}\n\n\n{written}"
    last = places[-1]
    first_line_number = min([last.lineno, *(each.lineno for each in last.decorator_list)])
    return "".join([*lines[: first_line_number - 1], written, *lines[last.end_lineno :]])


def _formatted(source: str) -> str:
    """The source as `make lint` wants it."""
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(RECIPES_FILE), "-"]
    done = subprocess.run(command, input=source, capture_output=True, text=True, check=True)
    return done.stdout


def _call(part: Mapping[str, Any]) -> ast.expr:
    """The expression that constructs a stored transform or combinator."""
    name = part["__class_fullname__"]
    kind = getattr(A, name)
    given = {k: v for k, v in part.items() if k not in ("__class_fullname__", "transforms")}
    if "transforms" in part:
        known = inspect.signature(kind).parameters
        kept = {k: v for k, v in given.items() if k in known and v != known[k].default}
        children = ast.List([_call(child) for child in part["transforms"]], ast.Load())
        return _construct(name, [children], kept)
    wanted = json.dumps(stored(kind, given))

    def is_same(arguments: Mapping[str, Any]) -> bool:
        try:
            # As text: 3 and 3.0 are equal, but may be pixels and a share of the image.
            return json.dumps(stored(kind, arguments)) == wanted
        except (TypeError, ValueError):
            return False

    # One argument after the other as short as it goes: left out, or in fewer words.
    for argument, value in list(given.items()):
        without = {k: v for k, v in given.items() if k != argument}
        shorter = [without, *(given | {argument: each} for each in _shorter(value))]
        given = next(filter(is_same, shorter), given)
    order = [each for each in inspect.signature(kind).parameters if each in given]
    return _construct(name, [], {argument: given[argument] for argument in order})


def _shorter(value: Any) -> list[Any]:
    """The same in fewer words, if albumentations takes it for that."""
    found = []
    if isinstance(value, dict) and len({repr(each) for each in value.values()}) == 1:
        inner = next(iter(value.values()))
        found += [*_shorter(inner), inner]
    if isinstance(value, dict):
        found.append({key: _whole(each) for key, each in value.items()})
    return [*found, _whole(value)]


def _whole(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_whole(each) for each in value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _construct(name: str, arguments: list[ast.expr], keywords: Mapping[str, Any]) -> ast.expr:
    given = [ast.keyword(k, ast.parse(repr(v), mode="eval").body) for k, v in keywords.items()]
    return ast.Call(ast.Attribute(ast.Name("A"), name), arguments, given)
