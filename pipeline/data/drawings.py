"""Small pictures in colour, drawn here: shapes with a texture, for the practice in colour."""

import cv2
import numpy as np
import numpy.typing as npt

_SIDE = 32
_FINE = 2  # drawn that many times as large, then averaged: no edge is jagged


def _polygon(*radii: float, times: int) -> npt.NDArray[np.complex128]:
    """The corners of a polygon about 0, whose distances from there repeat so many times."""
    lengths = np.tile(radii, times)
    turns = np.arange(len(lengths)) / len(lengths)
    corners: npt.NDArray[np.complex128] = lengths * np.exp(2j * np.pi * turns)
    return corners


_SHAPES = {
    "disc": _polygon(0.9, times=40),
    "square": _polygon(1.1, times=4),
    "star": _polygon(1.25, 0.5, times=5),
    "triangle": _polygon(1.3, times=3),
}
_TEXTURES = ("spotted", "striped")

CLASSES = tuple(f"{texture} {shape}" for texture in _TEXTURES for shape in _SHAPES)
"""K names, in label order."""


def draw_pictures(
    num_of_each: int, seed: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return pictures, uint8 (N, 3, 32, 32) in RGB, and labels, int64 (N,): so many of each class.

    Place, size, direction, colours and noise differ from one to the next, and something thin lies
    across each.
    """
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(CLASSES)), num_of_each)
    names = [CLASSES[label].split() for label in labels]
    pictures = [_draw(random, shape, texture) for texture, shape in names]
    return np.stack(pictures).transpose(0, 3, 1, 2), labels


def _draw(random: np.random.Generator, shape: str, texture: str) -> npt.NDArray[np.uint8]:
    """One picture, uint8 (H, W, C)."""
    ground, across = random.integers(10, 150, (2, 3))
    one = random.integers(130, 256, 3)
    other = (one + random.integers(80, 150, 3)) % 256
    canvas = np.full((_FINE * _SIDE, _FINE * _SIDE, 3), ground, np.uint8)
    middle, turn = random.uniform(0.4, 0.6, 2) @ (1, 1j), np.exp(1j * random.uniform(-0.4, 0.4))
    size = random.uniform(0.24, 0.36)
    filled = np.zeros(canvas.shape[:2], np.uint8)
    cv2.fillPoly(filled, [_pixels(middle + size * turn * _SHAPES[shape])], 1)
    textured = _texture(random, texture, len(canvas))
    canvas[filled > textured] = one
    canvas[filled & textured > 0] = other
    line = _pixels(random.random((2, 2)) @ (1, 1j))
    cv2.polylines(canvas, [line], False, across.tolist(), thickness=2 * _FINE)
    small = cv2.resize(canvas, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    noise = random.normal(0, random.uniform(2, 20), small.shape)
    noisy: npt.NDArray[np.uint8] = np.clip(small + noise, 0, 255).astype(np.uint8)
    return noisy


def _texture(random: np.random.Generator, texture: str, side: int) -> npt.NDArray[np.uint8]:
    """Where its second colour is, uint8 (H, W) of 0 and 1: two waves are spots, one is stripes."""
    y, x = np.mgrid[:side, :side]
    period, angle = random.uniform(5, 7) * _FINE, random.uniform(-0.5, 0.5)
    waves = np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / period)
    if texture == "spotted":
        waves += np.sin(2 * np.pi * (y * np.cos(angle) - x * np.sin(angle)) / period)
    other: npt.NDArray[np.uint8] = (waves > 0).astype(np.uint8)
    return other


def _pixels(places: npt.NDArray[np.complexfloating]) -> npt.NDArray[np.int32]:
    """Places in the unit square as pixels of the canvas, (…, 2) in the order x, y."""
    pixels = _FINE * _SIDE * np.stack([places.real, places.imag], axis=-1)
    return pixels.astype(np.int32)
