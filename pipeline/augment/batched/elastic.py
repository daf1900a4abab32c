"""`ElasticTransform`: Gaussian-smoothed random displacements (Simard, Steinkraus & Platt 2003)."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import torch
from torch import Tensor
from typing_extensions import override

from pipeline.augment.batched.filters import smoothing_matrix
from pipeline.augment.batched.grid import DisplacementTransform, SeparableBasis, SeparableField
from pipeline.augment.batched.transform import UNIT, Draws, Params, Size

_LOST_ENERGY = 1e-6
"""What share of a displacement field's variance the basis may leave out on each side, for fields of
up to one pixel (root mean square); less in proportion for stronger ones. Measured with alpha 34 on
28×28: no displacement is off by more than 0.02 px."""

_MOST_OF_NOISE = 0.25
"""Where smoothing keeps more than this share of the noise's dimensions, the noise itself is drawn:
its maximum is then no longer nearly independent of the smoothed field."""


@dataclass(frozen=True)
class _Smoothing:
    """Gaussian smoothing of noise as products of small matrices.

    Attributes:
        basis: The functions that smoothed fields are made of, and how noise (M, K) spans them.
        rotates: What spans them is normal noise in the smoothing's own basis; else the noise of
            all pixels, times `right`.
        to_rows: float32 (M, rows of the pixel noise), from all pixels' noise to the basis.
        right: float32 (columns of the pixel noise, K), the same for columns.
    """

    basis: SeparableBasis
    rotates: bool
    to_rows: Tensor
    right: Tensor


class Elastic(DisplacementTransform):
    """`ElasticTransform`.

    Source: `generate_displacement_fields` in albumentations' geometric/functional.py: Gaussian
    noise, divided by its largest absolute value, or uniform noise on (-1, 1); smoothed with
    replicated borders; times alpha. The fields of the two directions are smoothed as one image of
    2·H rows, so they meet at the bottom edge of x and the top edge of y, and so they do here.

    Normal noise that is independent by the pixel is independent in every orthonormal basis. In the
    singular vectors of the smoothing all but a few coordinates are smoothed away, so only those few
    are drawn: 180 instead of 1568 for sigma 4 on 28×28. The largest absolute value of the noise,
    which the field is divided by, is drawn from its own distribution. What this neglects is the
    dependence between that value and the few coordinates. It is slight where they are few, as a
    single pixel has little weight in any of them; where they are many, the noise itself is drawn.
    """

    def __init__(self, given: Any) -> None:
        # OpenCV's own size for a float image: 4 sigma to each side (`GaussianBlur` with ksize 0).
        kernel_size = 17 if given.approximate else round(given.sigma * 8 + 1) | 1
        self._kernel = tuple(cv2.getGaussianKernel(kernel_size, given.sigma)[:, 0].tolist())
        self._alpha = given.alpha
        self._same = given.same_dxdy
        self._gaussian = given.noise_distribution == "gaussian"
        # The largest absolute value of n normal numbers is below m with probability
        # (2Φ(m) - 1)ⁿ; one uniform number is turned into it.
        self.intervals = {"largest": UNIT} if self._gaussian else {}

    @override
    def draw(self, draws: Draws, size: Size) -> Params:
        """Return "noise": float32 (B, M, K), in the smoothing's basis and in pixels."""
        smoothing = self._smoothing(size, draws.keys.device)
        if smoothing.rotates:
            noise = draws.normal(len(smoothing.to_rows), smoothing.right.shape[1])
            count = (1 if self._same else 2) * size[0] * size[1]
            largest = _largest_normal(draws.values["largest"], count)
            return {"noise": noise * (self._alpha / largest)[:, None, None]}
        shape = smoothing.to_rows.shape[1], size[1]
        if not self._gaussian:
            return self.in_basis(2 * draws.uniform(*shape) - 1, size)
        noise = draws.normal(*shape)
        return self.in_basis(noise / noise.abs().amax(dim=(1, 2), keepdim=True), size)

    def in_basis(self, noise: Tensor, size: Size) -> Params:
        """Return `draw`'s parameters from the noise of all pixels, of absolute value up to 1.

        It is float32 (B, 2·H, W), x above y; or (B, H, W) for both.
        """
        smoothing = self._smoothing(size, noise.device)
        rows = smoothing.to_rows @ noise if smoothing.rotates else noise
        return {"noise": rows @ smoothing.right * self._alpha}

    @override
    def field(self, params: Params, size: Size) -> SeparableField:
        noise = params["noise"]
        return SeparableField(self._smoothing(size, noise.device).basis, noise)

    def _smoothing(self, size: Size, device: torch.device) -> _Smoothing:
        directions = 1 if self._same else 2
        return _smoothing(self._kernel, directions, self._gaussian, size, device, alpha=self._alpha)


def _largest_normal(unit: Tensor, count: int) -> Tensor:
    """Return the largest absolute value of `count` standard normal numbers, from a uniform one.

    The tail q = 1 - u^(1/count) is computed without cancellation, for u near 1 gives the rare
    large values. |z| < 5.3 is as far as float32 carries 1 - q.
    """
    tail = -torch.expm1(torch.log(unit.clamp(min=2.0**-25)) / count)
    return 2**0.5 * torch.erfinv(1 - tail.clamp(min=2.0**-23))


@lru_cache(maxsize=32)
def _smoothing(
    kernel: tuple[float, ...],
    directions: int,
    gaussian: bool,
    size: Size,
    device: torch.device,
    *,
    alpha: float,
) -> _Smoothing:
    height, width = size
    weights = torch.tensor(kernel, dtype=torch.float64)
    left = smoothing_matrix(weights, directions * height, "replicate")
    right = smoothing_matrix(weights, width, "replicate").T
    # Uniform noise on (-1, 1) has a variance of 1/3, normal noise below 1 one of about 1/12.
    noise_variance = 1 / 12 if gaussian else 1 / 3
    squares = left.square().sum() * right.square().sum() / (directions * height * width)
    lost = _LOST_ENERGY / max(1.0, float(alpha**2 * noise_variance * squares))
    left_u, left_s, left_v = _truncated_svd(left, lost)
    right_u, right_s, right_v = _truncated_svd(right, lost)
    share = len(left_s) * len(right_s) / (directions * height * width)
    rotates = gaussian and share <= _MOST_OF_NOISE
    # The directions' row functions are two parts of `left_u`; one basis serves both.
    parts = torch.cat(list((left_u * left_s).view(directions, height, -1)), dim=1)
    rows, scale, mix = _truncated_svd(parts, lost)
    spans = (scale[:, None] * mix).view(len(scale), directions, -1).expand(-1, 2, -1)
    if rotates:
        columns, to_rows, right = right_s[:, None] * right_v, left_v, right_u
    else:
        spans, columns = spans @ left_v, right_v
        to_rows, right = torch.eye(directions * height), right_u * right_s

    def ready(matrix: Tensor) -> Tensor:
        return matrix.to(torch.float32).contiguous().to(device)

    basis = SeparableBasis(ready(rows), ready(columns), ready(spans))
    return _Smoothing(basis, rotates, ready(to_rows), ready(right))


def _truncated_svd(matrix: Tensor, lost: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return the singular vectors and values that hold all but a share `lost` of the energy."""
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    energy = s.square()
    rest = 1 - energy.cumsum(dim=0) / energy.sum()
    rank = int((rest > lost).sum()) + 1
    return u[:, :rank], s[:rank], v[:rank]
