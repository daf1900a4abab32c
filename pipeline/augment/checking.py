"""Holds a recipe to its promise: a uint8 image in, a uint8 image of the same shape out.

Before a training `check_recipe` walks through all that a recipe can do, whatever the
probabilities in it; during the training `augment_image` looks at every image that comes out.
"""

import copy
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import albumentations as A
import numpy as np
import numpy.typing as npt

from pipeline.augment.blame import describe
from pipeline.errors import UserError

Image = npt.NDArray[np.uint8]
"""uint8 (H, W, C), as albumentations takes it."""

_NUM_DRAWS = 8
"""How often each transform is tried on each kind of image that can reach it."""


def augment_image(recipe: A.Compose, image: Image, seed: Sequence[int]) -> Image:
    """Return an image augmented by albumentations, of the shape and type that it had.

    The recipe's random numbers follow from the seed, and nothing else.

    Raises:
        UserError: The recipe failed, or changed shape or type; the sentence names the transform.
    """
    try:
        _set_random_state(recipe, seed)
        augmented = recipe(image=image)["image"]
    except Exception:
        augmented = None
    if not _is_kept(augmented, image):
        watched = copy.deepcopy(recipe)
        _set_random_state(watched, seed)
        raise _find_fault(watched, image)
    kept: Image = augmented.reshape(image.shape)
    return kept


def _set_random_state(recipe: A.Compose, seed: Sequence[int]) -> None:
    # Compose.set_random_seed would mix in the worker's number; the state does not.
    rng = np.random.default_rng(seed)
    recipe.set_random_state(rng, random.Random(int(rng.integers(2**63))))


def _find_fault(recipe: A.Compose, image: Image) -> UserError:
    """Return what the recipe does wrong from its present random state on; it is changed by this."""
    log: list[tuple[str, Any]] = []
    _watch(recipe, log)
    try:
        augmented = recipe(image=image)["image"]
    except Exception as error:
        given = log[-2][1] if len(log) > 1 else image
        return _failure(log[-1][0] if log else "Compose", error, given)
    before, changed_by = _kind(image), "chance"
    for name, result in log:
        if _kind(result) != before:
            before, changed_by = _kind(result), name
    return _change(image, augmented, changed_by)


def _watch(node: Any, log: list[tuple[str, Any]]) -> None:
    """Put in place of each transform of a combinator one that writes down what it returns."""

    def watched(transform: Any) -> Callable[..., Any]:
        def call(**data: Any) -> Any:
            log.append((type(transform).__name__, None))
            result = transform(**data)
            log[-1] = (log[-1][0], result["image"])
            return result

        return call

    for place, child in enumerate(node.transforms):
        if isinstance(child, A.BaseCompose):
            _watch(child, log)
        else:
            node.transforms[place] = watched(child)


def check_recipe(recipe: A.Compose, image_shape: tuple[int, int, int]) -> None:
    """Try all that a recipe can do to images of (C, H, W) before a training relies on it.

    Every transform is asked on every kind of image that the ones before can hand it, as if it
    fired: a fault is found however small its `p` is, and the same one each time. The recipe's
    random state is changed.

    Raises:
        UserError: It can fail, or change shape or type; the sentence names the transform.
    """
    channels, height, width = image_shape
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (_NUM_DRAWS, height, width, channels), dtype=np.uint8)
    _set_random_state(recipe, [0])
    for outcome in _reached(recipe, [_Outcome(list(images))], forced=False):
        if not _is_kept(outcome.images[0], images[0]):
            raise _change(images[0], outcome.images[0], outcome.changed_by)


@dataclass
class _Outcome:
    """At most `_NUM_DRAWS` images of one shape and type that a recipe can have made by some point.

    They were last changed in shape or type by the transform of that name; empty if by none.
    """

    images: list[Any]
    changed_by: str = ""


def _merge(outcomes: Iterable[_Outcome]) -> list[_Outcome]:
    """Return one outcome of each kind, with images of all; the first says who changed it."""
    merged: dict[str, _Outcome] = {}
    for outcome in outcomes:
        same = merged.setdefault(_kind(outcome.images[0]), _Outcome([], outcome.changed_by))
        same.images = [*same.images, *outcome.images][-_NUM_DRAWS:]
    return list(merged.values())


def _reached(node: Any, given: list[_Outcome], *, forced: bool) -> list[_Outcome]:
    """Return what can come out of a transform or a combinator, an outcome for each kind.

    Its own `p` is not asked where it is forced, as a child of `OneOf` is.
    """
    forced = forced and not isinstance(node, A.SomeOf)  # which asks its own p even then
    if isinstance(node, A.OneOrOther):
        return _any_of([node.transforms[0], node.transforms[-1]], given, forced=True)
    if node.p <= 0 and not forced:
        return given
    if isinstance(node, A.SomeOf):
        fired = _some_of(node, given)
    elif isinstance(node, A.OneOf):
        possible = [child for child in node.transforms if child.p > 0]
        fired = _any_of(possible, given, forced=True) if possible else given
    elif isinstance(node, A.Compose | A.Sequential):
        fired = given
        for child in node.transforms:
            fired = _reached(child, fired, forced=False)
    else:
        fired = _merge(out for outcome in given for out in _fired(node, outcome))
    return fired if forced or node.p >= 1 else _merge([*given, *fired])


def _any_of(nodes: Iterable[Any], given: list[_Outcome], *, forced: bool) -> list[_Outcome]:
    return _merge(out for node in nodes for out in _reached(node, given, forced=forced))


def _some_of(node: Any, given: list[_Outcome]) -> list[_Outcome]:
    """Return what can come out of `SomeOf` or `RandomOrder` where it fires."""
    if isinstance(node, A.RandomOrder):  # whatever comes first: any of them, n times
        for _ in range(node.n):
            given = _any_of(node.transforms, given, forced=False)
        return given
    # chosen[k]: what k of the children so far can have made, in their order.
    chosen: list[list[_Outcome]] = [given, *([] for _ in range(node.n))]
    for child in node.transforms:
        # Downwards a child is chosen at most once, upwards as often as there is room.
        for k in range(1, node.n + 1) if node.replace else range(node.n, 0, -1):
            chosen[k] = _merge([*chosen[k], *_reached(child, chosen[k - 1], forced=False)])
    return chosen[node.n]


def _fired(transform: Any, given: _Outcome) -> Iterator[_Outcome]:
    """Yield what a transform makes of images of one kind."""
    name = type(transform).__name__
    for draw in range(_NUM_DRAWS):
        image = given.images[draw % len(given.images)]
        try:
            made = transform(image=image, force_apply=True)["image"]
        except Exception as error:
            raise _failure(name, error, image) from None
        yield _Outcome([made], given.changed_by if _kind(made) == _kind(image) else name)


def _kind(image: Any) -> str:
    """Return type and shape of what a transform returned, in words."""
    if hasattr(image, "shape") and hasattr(image, "dtype"):
        return f"{image.dtype} {tuple(image.shape)}"
    return type(image).__name__


def _is_kept(augmented: Any, image: Image) -> bool:
    if not isinstance(augmented, np.ndarray) or augmented.dtype != np.uint8:
        return False
    dropped = image.shape[:2] if image.shape[2] == 1 else None  # some transforms drop a C of 1
    return augmented.shape in (image.shape, dropped)


def _change(image: Image, augmented: Any, changed_by: str) -> UserError:
    return UserError(
        f"the recipe turned a {_kind(image)} image into {_kind(augmented)}, by {changed_by}; it "
        "must keep type and shape (normalisation and tensors are the pipeline's own work)."
    )


def _failure(name: str, error: Exception, image: Any) -> UserError:
    return UserError(f"the recipe's {name} failed on a {_kind(image)} image: {describe(error)}.")
