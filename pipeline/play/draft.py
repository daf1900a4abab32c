"""A recipe while it is played with: one of `recipes.py`, and what was changed of it."""

import inspect
import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Annotated, Any

import albumentations as A
from pydantic import BaseModel, ConfigDict, Field

from pipeline.augment.batched.support import TRANSFORMS, Support, refusals, support_of
from pipeline.augment.batched.transform import Shape
from pipeline.augment.registry import build_recipe, find_recipe, recipe_ranges, serialise
from pipeline.errors import UserError
from pipeline.play.controls import (
    Control,
    construct,
    faults,
    of_argument,
    of_transform,
    read_part,
    stored,
    tuples,
)


def _fits_alone(support: Support) -> bool:
    """Say whether a transform can be made from its defaults, and leaves images their size then."""
    try:
        transform = support.build(construct(support.source, {}))
    except (TypeError, ValueError):
        return False
    return transform.output_size((28, 28)) == (28, 28)


ADDABLE = {each.source.__name__: each.source for each in TRANSFORMS if _fits_alone(each)}
"""The transforms that can be added: those that compile, and are something by themselves."""

_Name = Annotated[str, Field(max_length=100)]


class _FromPage(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Part(_FromPage):
    """A transform or combinator of a draft, and what was changed of it.

    `of` is its place in the recipe as the function makes it ("0", or "1.0" for a child of the
    second); empty for one that was added, which has a `name` instead. `change` are the arguments
    that were set; all others are the function's.
    """

    of: _Name = ""
    name: _Name = ""
    off: bool = False
    change: dict[_Name, Any] = Field(default_factory=dict)
    parts: list["Part"] | None = Field(default=None, max_length=30)


class Draft(_FromPage):
    """A recipe of `recipes.py` by name, its arguments that were set, and its parts if any were."""

    recipe: _Name
    arguments: dict[_Name, Any] = Field(default_factory=dict)
    parts: list[Part] | None = Field(default=None, max_length=30)


@dataclass
class Node:
    """A transform or combinator of a draft as it came out.

    Attributes:
        part: What was asked for.
        kind: Its class.
        arguments: All of them, by name, as albumentations stores them.
        errors: What is wrong, by argument; under "" what is not of one.
        slow: Why it cannot be compiled, a sentence each.
        children: Of a combinator.
    """

    part: Part
    kind: type
    arguments: dict[str, Any]
    errors: dict[str, str] = field(default_factory=dict)
    slow: list[str] = field(default_factory=list)
    children: list["Node"] = field(default_factory=list)

    @property
    def is_combinator(self) -> bool:
        """Whether it holds others."""
        return issubclass(self.kind, A.BaseCompose)

    def walk(self) -> Iterator["Node"]:
        """Yield it and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass
class Made:
    """What a draft comes to.

    Attributes:
        controls: Of the recipe's own arguments.
        errors: What is wrong with these, by argument; under "" what is of the whole.
        nodes: Its transforms and combinators, in order.
        text: The recipe, serialised; None where anything is wrong.
    """

    controls: list[Control]
    errors: dict[str, str]
    nodes: list[Node]
    text: str | None = None

    def walk(self) -> Iterator[Node]:
        """Yield all its transforms and combinators."""
        for node in self.nodes:
            yield from node.walk()


def make(draft: Draft, image_shape: tuple[int, int, int]) -> Made:
    """Make what a draft asks for; what is wrong with an argument is kept beside it.

    `image_shape` is (C, H, W).

    Raises:
        UserError: There is no such recipe, its file is faulty, or a part is none of it.
    """
    ranges = recipe_ranges(draft.recipe)
    known = _arguments(draft.recipe)
    if unknown := sorted(draft.arguments.keys() - known.keys()):
        raise UserError(f"recipe {draft.recipe!r} has no argument {unknown[0]!r} to be changed.")
    values = known | {name: tuples(value) for name, value in draft.arguments.items()}
    controls = [
        control
        for name, value in values.items()
        if (control := of_argument(name, value, ranges[name][0] if name in ranges else None))
    ]
    made = Made(controls, {}, [])
    try:
        recipe = build_recipe(draft.recipe, values)
        if draft.arguments:
            serialise(recipe, draft.recipe)
    except UserError as error:
        made.errors = _whose(draft, str(error))
        recipe = build_recipe(draft.recipe)
    whole = json.loads(serialise(recipe, draft.recipe), object_hook=read_part)
    own = whole["transform"]["transforms"]
    parts = _as_made(own) if draft.parts is None else draft.parts
    made.nodes = [_node(part, own, draft.recipe) for part in parts]
    for node in made.walk():
        _check(node, image_shape)
    if made.errors or any(node.errors for node in made.walk()):
        return made
    whole["transform"]["transforms"] = [_store(n) for n in made.nodes if not n.part.off]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made.text = serialise(A.from_dict(whole), draft.recipe)
    except UserError as error:
        made.errors[""] = str(error)
    except Exception as error:  # of a constructor: it refuses what its own check let pass
        made.errors[""] = str(error)
    return made


def _arguments(recipe: str) -> dict[str, Any]:
    """The arguments of a recipe's function, with their defaults."""
    parameters = inspect.signature(find_recipe(recipe)).parameters.values()
    return {each.name: each.default for each in parameters}


def _whose(draft: Draft, error: str) -> dict[str, str]:
    """What is wrong with a recipe, beside the first argument that does it alone."""
    for name, value in draft.arguments.items():
        try:
            build_recipe(draft.recipe, {name: tuples(value)})
        except UserError as own:
            return {name: str(own)}
    return {"": error}


def _as_made(own: Sequence[Mapping[str, Any]], prefix: str = "") -> list[Part]:
    return [
        Part(
            of=f"{prefix}{place}",
            parts=_as_made(each["transforms"], f"{prefix}{place}.")
            if "transforms" in each
            else None,
        )
        for place, each in enumerate(own)
    ]


def _node(part: Part, own: Sequence[Mapping[str, Any]], recipe: str) -> Node:
    """What a part is, with its arguments: the function's or the class's own, and the changes."""
    if part.of:
        given: Any = {"transforms": own}
        try:
            for place in part.of.split("."):
                given = given["transforms"][int(place)]
        except (ValueError, IndexError, KeyError):
            raise UserError(
                f"recipe {recipe!r} has other transforms now; choose it anew."
            ) from None
        kind = getattr(A, given["__class_fullname__"])
        arguments = dict(given)
        del arguments["__class_fullname__"]
        children = _as_made(arguments.pop("transforms", []), f"{part.of}.")
    elif part.name in ADDABLE:
        kind, arguments, children = ADDABLE[part.name], stored(ADDABLE[part.name], {}), []
    else:
        raise UserError(f"{part.name!r} is no transform that compiles.")
    if unknown := sorted(part.change.keys() - arguments.keys()):
        raise UserError(f"{kind.__name__} has no argument {unknown[0]!r} to be changed.")
    arguments |= {name: tuples(value) for name, value in part.change.items()}
    inner = part.parts if part.parts is not None else children
    return Node(part, kind, arguments, children=[_node(each, own, recipe) for each in inner])


def _check(node: Node, shape: Shape) -> None:
    """Write down what is wrong with a node, and why it would not compile."""
    if node.is_combinator:
        p = node.arguments.get("p")
        if not (isinstance(p, int | float) and 0 <= p <= 1):
            node.errors["p"] = "must be a probability, 0 to 1"
        return
    node.errors = faults(node.kind, node.arguments)
    if node.errors or node.part.off:
        return
    try:
        transform = construct(node.kind, node.arguments)
    except Exception as error:
        node.errors[""] = str(error)
        return
    support = support_of(transform)
    if support is None:
        node.slow = [f"{node.kind.__name__}: no batched version of this transform"]
    else:
        node.slow = list(refusals(transform, support, shape))


def _store(node: Node) -> dict[str, Any]:
    part = {"__class_fullname__": node.kind.__name__, **deepcopy(node.arguments)}
    if node.is_combinator:
        part["transforms"] = [_store(each) for each in node.children if not each.part.off]
    return part


def describe(node: Node, shape: Shape) -> dict[str, Any]:
    """Return what the page draws a node from."""
    return {
        "part": node.part.model_dump(exclude={"parts"}),
        "name": node.kind.__name__,
        "controls": of_transform(node.kind, node.arguments, shape),
        "errors": node.errors,
        "slow": node.slow,
        "parts": [describe(each, shape) for each in node.children] if node.is_combinator else None,
    }
