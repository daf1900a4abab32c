"""Where each output pixel is read from: several geometric transforms as one sampling grid.

A geometric transform is a *sampling map* S: output pixel p shows what the input has at S(p). One
transform after the other, T₁ then T₂, shows input point S₁(S₂(p)): maps compose from the last
transform to the first. Matrices multiply; a displacement field that was given on the pixel grid is
read in between its pixels. Coordinates are in pixels, (x, y), with (0, 0) the centre of the first
pixel, as in OpenCV.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.augment.batched.transform import Params, Size, Transform, device_constant, per_image


class MatrixTransform(Transform, ABC):
    """A geometric transform whose sampling map is a matrix: affine or projective.

    Attributes:
        projective: The last row of the matrix may differ from (0, 0, 1).
        whole_pixels: It moves by whole pixels or mirrors, so that rows stay rows, columns columns.
    """

    projective: bool = False
    whole_pixels: bool = False

    @abstractmethod
    def matrix(self, params: Params, size: Size) -> Tensor:
        """Return float32 (B, 3, 3): from homogeneous output to homogeneous input pixels."""


class DisplacementTransform(Transform, ABC):
    """A geometric transform whose sampling map is p + d(p) with a field d given per pixel."""

    @abstractmethod
    def field(self, params: Params, size: Size) -> "Field":
        """Return the displacement of each pixel, in pixels."""


class SeparableBasis:
    """Few functions of y and of x whose products span smooth fields, and how noise spans them.

    A field is d(x, y) = Σᵣₖ rows[y, r] · C[r, k] · columns[k, x] for each direction, with
    coefficients C = left · noise.

    Attributes:
        rows: float32 (H, R), the functions of y.
        columns: float32 (K, W), the functions of x.
        left: float32 (R, 2, M): from noise (M, K) to the coefficients of both directions.
        mixes: float32 (9, R·2·M): what each entry of a matrix (3, 3) adds to `left`, if the field
            is mapped by its linear part.
        interleaved: float32 (2·K, 2·W), `columns` for both directions: from (x₁ … x_K, y₁ … y_K)
            to x y x y …, the order in which `grid_sample` reads coordinates.
    """

    def __init__(self, rows: Tensor, columns: Tensor, left: Tensor) -> None:
        self.rows = rows
        self.columns = columns
        self.left = left
        mixes = left.new_zeros(3, 3, *left.shape)
        for to in range(2):
            for source in range(2):
                mixes[to, source, :, to] = left[:, source]
        self.mixes = mixes.view(9, -1)
        zero = torch.zeros_like(columns)
        to_x, to_y = torch.stack((columns, zero), -1), torch.stack((zero, columns), -1)
        self.interleaved = torch.cat((to_x.flatten(1), to_y.flatten(1)))


@dataclass(frozen=True)
class SeparableField:
    """A smooth field in a basis, with float32 noise (B, M, K).

    It goes through an affine matrix by its coefficients, a tenth of the numbers that its pixels
    are.
    """

    basis: SeparableBasis
    noise: Tensor

    def dense(self) -> Tensor:
        """Return the displacement of each pixel, float32 (B, H, W, 2)."""
        basis = self.basis
        coefficients = (basis.left.transpose(0, 1).flatten(0, 1) @ self.noise).view(
            len(self.noise), 2, -1, len(basis.columns)
        )
        return (basis.rows @ (coefficients @ basis.columns)).permute(0, 2, 3, 1)

    def displaced(self, matrix: Tensor | None, size: Size) -> Tensor:
        """Return the pixel grid, displaced, then mapped by an affine matrix: (B, H, W, 2)."""
        basis, noise = self.basis, self.noise
        batch, num_rows, width = len(noise), basis.rows.shape[1], size[1]
        if matrix is None:
            matrix = identity(noise.device).expand(batch, 3, 3)
        left = (matrix.flatten(1) @ basis.mixes).view(batch, -1, noise.shape[1])
        coefficients = (left @ noise).view(batch * num_rows, -1)
        # Both directions come out interleaved from one matrix product. To interleave two finished
        # planes costs as much as sampling the images: 0.38 and 0.40 ms for 256 of them.
        weights = (coefficients @ basis.interleaved).view(batch, num_rows, 2 * width)
        rows, affine_weights = _affine_weights(matrix, size)
        rows = torch.cat((rows, basis.rows), dim=1)
        return (rows @ torch.cat((affine_weights, weights), dim=1)).view(batch, *size, 2)


Field = Tensor | SeparableField
"""A displacement for each pixel of each image, in pixels: float32 (B, H, W, 2), or as a product."""


def masked(field: Field, active: Tensor) -> Field:
    """Return a field with zero displacement where bool (B,) `active` is false."""
    if isinstance(field, Tensor):
        return field * per_image(active)
    return SeparableField(field.basis, field.noise * active[:, None, None])


def _affine_weights(matrix: Tensor, size: Size) -> tuple[Tensor, Tensor]:
    """Return rows (H, 2) and weights (B, 2, 2·W) whose product is the mapped pixel grid.

    a·x + c does not change with the row and b·y not with the column, so the mapped grid is a
    product of rank 2. That takes 0.07 ms for 256 images where `F.affine_grid` takes 1.0.
    """
    rows, spread = _affine_basis(size, matrix.device)
    weights = matrix.flatten(1) @ spread
    return rows, weights.view(len(matrix), 2, -1)


@lru_cache(maxsize=16)
def _affine_basis(size: Size, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the rows (1, y) of each y, and what each of 9 matrix entries adds to the weights."""
    height, width = size
    rows = torch.stack((torch.ones(height), torch.arange(height)), dim=1)
    spread = torch.zeros(3, 3, 2, width, 2)
    for direction in range(2):
        spread[direction, 0, 0, :, direction] = torch.arange(width)  # a·x
        spread[direction, 2, 0, :, direction] = 1  # + c
        spread[direction, 1, 1, :, direction] = 1  # + b·y
    return rows.to(device), spread.view(9, -1).to(device)


def identity(device: torch.device) -> Tensor:
    """Return float32 (3, 3)."""
    return device_constant(((1, 0, 0), (0, 1, 0), (0, 0, 1)), device)


@lru_cache(maxsize=16)
def pixel_grid(size: Size, device: torch.device) -> Tensor:
    """Return float32 (H, W, 2): the (x, y) of each pixel."""
    height, width = size
    y = torch.arange(height, dtype=torch.float32, device=device)
    x = torch.arange(width, dtype=torch.float32, device=device)
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)


def map_points(matrix: Tensor, points: Tensor, *, projective: bool) -> Tensor:
    """Return points (B, H, W, 2) mapped by matrices (B, 3, 3)."""
    batch, height, width, _ = points.shape
    flat = points.reshape(batch, -1, 2)
    if not projective:
        mapped = torch.baddbmm(matrix[:, None, :2, 2], flat, matrix[:, :2, :2].mT)
    else:
        homogeneous = torch.baddbmm(matrix[:, None, :, 2], flat, matrix[:, :, :2].mT)
        mapped = homogeneous[..., :2] / homogeneous[..., 2:]
    return mapped.view(batch, height, width, 2)


class SamplingGrid:
    """The composition of sampling maps, built from the last transform to the first.

    Matrices are multiplied for as long as nothing else comes between, and the grid itself is only
    made at the end: for affine transforms, and for a smooth field followed by them, as one product
    of small matrices.
    """

    def __init__(self, batch: int, size: Size, device: torch.device) -> None:
        """Start with each output pixel showing itself."""
        self._batch, self._size, self._device = batch, size, device
        self._points: Tensor | SeparableField | None = None  # None: the pixel grid itself
        self._matrix: Tensor | None = None  # maps the points
        self._projective = False
        self._whole_pixels = True

    def map(self, matrix: Tensor, *, projective: bool, whole_pixels: bool = False) -> None:
        """Compose with matrices (B, 3, 3), of the transform that comes before."""
        self._matrix = matrix if self._matrix is None else matrix @ self._matrix
        self._projective |= projective
        self._whole_pixels &= whole_pixels

    def displace(self, field: Field) -> None:
        """Compose with a displacement field, of the transform that comes before."""
        self._whole_pixels = False
        if self._points is None and self._matrix is None:
            # On the pixel grid, where it was given: nothing to interpolate.
            on_grid = pixel_grid(self._size, self._device)
            self._points = on_grid + field if isinstance(field, Tensor) else field
            return
        points = self.coordinates()
        planes = (field if isinstance(field, Tensor) else field.dense()).permute(0, 3, 1, 2)
        at_points = F.grid_sample(
            planes, normalise(points, self._size), padding_mode="border", align_corners=True
        )
        self._points = points + at_points.permute(0, 2, 3, 1)
        self._matrix, self._projective = None, False

    def coordinates(self) -> Tensor:
        """Return float32 (B, H, W, 2): the input point, in pixels, that each output pixel shows."""
        return self._evaluate(self._matrix, self._projective)

    def rows_and_columns(self) -> tuple[Tensor, Tensor] | None:
        """Return the input row (B, H) and column (B, W) that output rows and columns show.

        They are whole float32, also outside the image; None where there is no such grid.
        """
        if not self._whole_pixels or self._matrix is None:
            return None
        height, width = (device_constant(tuple(range(n)), self._device) for n in self._size)
        rows = self._matrix[:, 1, 1, None] * height + self._matrix[:, 1, 2, None]
        columns = self._matrix[:, 0, 0, None] * width + self._matrix[:, 0, 2, None]
        return rows.round_(), columns.round_()

    def normalised(self) -> Tensor:
        """Return the coordinates in the units of `grid_sample`: corner pixels' centres at ±1."""
        if self._projective or (self._matrix is None and isinstance(self._points, Tensor)):
            return normalise(self.coordinates(), self._size)
        height, width = self._size
        rows = (2 / (width - 1), 0, -1), (0, 2 / (height - 1), -1), (0, 0, 1)
        scale = device_constant(rows, self._device)
        matrix = scale.expand(self._batch, 3, 3) if self._matrix is None else scale @ self._matrix
        return self._evaluate(matrix, projective=False)

    def _evaluate(self, matrix: Tensor | None, projective: bool) -> Tensor:
        points = self._points
        if isinstance(points, SeparableField):
            if not projective:
                return points.displaced(matrix, self._size)
            points = points.displaced(None, self._size)
        elif points is None:
            if matrix is not None and not projective:
                rows, weights = _affine_weights(matrix, self._size)
                return (rows @ weights).view(self._batch, *self._size, 2)
            points = pixel_grid(self._size, self._device).expand(self._batch, -1, -1, -1)
        return points if matrix is None else map_points(matrix, points, projective=projective)


def normalise(points: Tensor, size: Size) -> Tensor:
    """Return points (…, 2) in pixels in the units of `grid_sample` with `align_corners=True`."""
    height, width = size
    return points * device_constant((2 / (width - 1), 2 / (height - 1)), points.device) - 1
