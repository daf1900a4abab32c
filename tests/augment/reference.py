"""albumentations with its random numbers written down, and the batched engine fed with them."""

import random
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import albumentations as A
import numpy as np
import torch

from pipeline.augment.batched import compile_recipe
from pipeline.augment.batched.compiled import Leaf
from pipeline.augment.batched.transform import Draws

SIZE = (28, 28)


class RecordingRandom(random.Random):
    """Python's generator, with a list of what it returned."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.log: list[Any] = []

    def _keep(self, value: Any) -> Any:
        self.log.append(value)
        return value

    def uniform(self, a: float, b: float) -> float:
        return self._keep(super().uniform(a, b))

    def randint(self, a: int, b: int) -> int:
        return self._keep(super().randrange(a, b + 1))

    def choice(self, seq: Any) -> Any:
        return self._keep(super().choice(seq))


class RecordingGenerator:
    """numpy's generator, with a list of what it returned."""

    def __init__(self, seed: int) -> None:
        self._generator = np.random.default_rng(seed)
        self.log: list[Any] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._generator, name)

        def recorded(*args: Any, **kwargs: Any) -> Any:
            value = method(*args, **kwargs)
            self.log.append(np.copy(value))
            return value

        return recorded


def make(cls: type, **kwargs: Any) -> Any:
    """Return a transform that always fires; ShiftScaleRotate warns that it is one of Affine's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return cls(p=1.0, **kwargs)


def run_albumentations(
    transform: Any, images: np.ndarray, seed: int
) -> Iterator[tuple[np.ndarray, dict[str, Any], list[Any], list[Any]]]:
    """Yield, for each image: pixels, parameters, Python's draws and numpy's draws."""
    py_random, generator = RecordingRandom(seed), RecordingGenerator(seed)
    transform.set_random_state(generator, py_random)
    for image in images:
        py_random.log, generator.log = [], []
        out = transform(image=np.atleast_3d(image))["image"]  # (H, W, 1), as the pipeline does
        out = out.reshape(*out.shape[:2], *image.shape[2:])
        yield out, transform.params, py_random.log, generator.log


CHANGE_SIZE = (A.Pad, A.PadIfNeeded, A.RandomCrop, A.Resize)


def compiled_leaf(transform: Any, num_channels: int = 1) -> Leaf:
    back = [A.Resize(*SIZE)] if isinstance(transform, CHANGE_SIZE) else []
    leaf, *_ = compile_recipe(A.Compose([transform, *back]), num_channels=num_channels).leaves
    return leaf


def channels_first(images: np.ndarray) -> torch.Tensor:
    """Return (N, C, H, W) of grey images (N, H, W) or coloured ones (N, H, W, 3)."""
    batch = torch.from_numpy(images)
    return batch[:, None] if images.ndim == 3 else batch.permute(0, 3, 1, 2)


def channels_last(batch: torch.Tensor) -> np.ndarray:
    """Return what `channels_first` was given."""
    return (batch[:, 0] if batch.shape[1] == 1 else batch.permute(0, 2, 3, 1)).numpy()


def values_of(names: str, log: list[Any]) -> dict[str, float]:
    return dict(zip(names.split(), log, strict=True))


def draws_with(values: dict[str, torch.Tensor], count: int) -> Draws:
    return Draws(values, torch.zeros(count, dtype=torch.int64), 0)
