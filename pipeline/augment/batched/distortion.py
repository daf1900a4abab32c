"""The other transforms that displace each pixel: optical, grid and thin-plate-spline distortion.

In each of them the displacement is linear in what is drawn, with a factor that only depends on the
image size: it is computed once.
"""

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from pipeline.augment.batched.grid import DisplacementTransform, pixel_grid
from pipeline.augment.batched.transform import Draws, Params, Size, device_constant, per_image


class Optical(DisplacementTransform):
    """`OpticalDistortion`: barrel or pincushion distortion by a lens.

    Source: `get_camera_matrix_distortion_maps` (OpenCV's radial model with k₁ = k₂ = k, focal
    lengths W and H) and `get_fisheye_distortion_maps` in albumentations' geometric/functional.py.
    OpenCV measures from the centre of the pixels, ((W - 1)/2, (H - 1)/2), and puts the result at
    the given one, (W/2, H/2): "camera" moves every image by half a pixel, at k = 0 too.
    """

    def __init__(self, given: Any) -> None:
        self.intervals = {"k": given.distort_limit}
        self._fisheye = given.mode == "fisheye"

    @override
    def field(self, params: Params, size: Size) -> Tensor:
        per_k = _optical_displacement(size, self._fisheye, params["k"].device)
        displacement = per_image(params["k"]) * per_k
        return displacement if self._fisheye else displacement + 0.5


@lru_cache(maxsize=8)
def _optical_displacement(size: Size, fisheye: bool, device: torch.device) -> Tensor:
    """Return float32 (H, W, 2): the displacement in pixels for k = 1."""
    height, width = size
    sides = torch.tensor([width, height], dtype=torch.float64)
    pixels = pixel_grid(size, torch.device("cpu")).to(torch.float64)
    if fisheye:  # radii in units of half the image's diagonal
        from_center = pixels - sides / 2
        factor = from_center.square().sum(-1, keepdim=True) / (sides / 2).square().sum()
    else:  # radii in units of the focal lengths
        from_center = pixels - (sides - 1) / 2
        radius_2 = (from_center / sides).square().sum(-1, keepdim=True)
        factor = radius_2 + radius_2.square()
    return (from_center * factor).to(torch.float32).to(device)


class Grid(DisplacementTransform):
    """`GridDistortion`: each row and column of a grid of cells is stretched by its own factor.

    Source: `normalize_grid_distortion_steps` and `generate_grid` in albumentations'
    geometric/functional.py. Each cell's positions run from the sum of the cells before to its own
    end, both included, so neighbouring cells show their common edge twice. There is one cell more
    than steps; what even that leaves over, as 10 steps leave 6 of 28 pixels, shows pixel 0.
    """

    def __init__(self, given: Any) -> None:
        self._num_steps = given.num_steps
        self._normalized = given.normalized
        names = [f"{direction}{step}" for direction in "xy" for step in range(given.num_steps + 1)]
        self.intervals = dict.fromkeys(names, given.distort_limit)

    @override
    def draw(self, draws: Draws, size: Size) -> Params:
        """Return "steps_x" and "steps_y": float32 (B, num_steps + 1), the cells' factors."""
        params = {}
        for direction, length in (("x", size[1]), ("y", size[0])):
            columns = [draws.values[f"{direction}{i}"] for i in range(self._num_steps + 1)]
            steps = 1 + torch.stack(columns, dim=1)
            if self._normalized:
                cell = length // self._num_steps
                last = min(length, (self._num_steps + 1) * cell) - self._num_steps * cell
                steps[:, -1] *= last / cell
                steps = steps * (length / cell / steps.sum(dim=1, keepdim=True))
            params[f"steps_{direction}"] = steps
        return params

    @override
    def field(self, params: Params, size: Size) -> Tensor:
        height, width = size
        device = params["steps_x"].device
        x = params["steps_x"] @ _positions_per_step(width, self._num_steps, device)
        y = params["steps_y"] @ _positions_per_step(height, self._num_steps, device)
        x, y = x[:, None, :].expand(-1, height, -1), y[:, :, None].expand(-1, -1, width)
        return torch.stack((x, y), dim=-1) - pixel_grid(size, device)


@lru_cache(maxsize=16)
def _positions_per_step(length: int, num_steps: int, device: torch.device) -> Tensor:
    """Return float32 (num_steps + 1, length): what each cell's factor adds to each position."""
    cell = length // num_steps
    positions = torch.zeros(num_steps + 1, length, dtype=torch.float64)
    for step in range(num_steps + 1):
        start, end = step * cell, min((step + 1) * cell, length)
        positions[step, start:end] = torch.linspace(0, cell, max(end - start, 0))
        positions[step, end : (num_steps + 1) * cell] = cell
    return positions.to(torch.float32).to(device)


class ThinPlateSpline(DisplacementTransform):
    """`ThinPlateSpline`: a regular grid of control points moved at random, smoothly in between.

    Source: `compute_tps_weights` and `tps_transform` in albumentations' geometric/functional.py,
    after Bookstein, "Principal Warps" (1989). Its kernel is d²·log d at the control points and
    d·log d elsewhere, where d is the squared distance; kept, as the pixels are to be the same.
    """

    def __init__(self, given: Any) -> None:
        # Of ten times the standard deviation of a control point's move, in sides of the image.
        low, high = given.scale_range
        self.intervals = {"scale": (low / 10, high / 10)}
        self._num_control_points = given.num_control_points  # along each side

    @override
    def draw(self, draws: Draws, size: Size) -> Params:
        """Return "moves": float32 (B, points, 2), of the control points in sides of the image."""
        count = len(_control_points(self._num_control_points))
        return {"moves": draws.normal(count, 2) * draws.values["scale"][:, None, None]}

    @override
    def field(self, params: Params, size: Size) -> Tensor:
        height, width = size
        moves = params["moves"]
        per_move = _spline_matrix(self._num_control_points, size, moves.device)
        displacement = per_move @ (moves * device_constant((width, height), moves.device))
        return displacement.view(-1, height, width, 2)


def _control_points(num_control_points: int) -> Tensor:
    """Return float64 (points, 2) on the unit square; for 2 a side, the corners and the centre."""
    if num_control_points == 2:
        corners = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.5, 0.5]]
        return torch.tensor(corners, dtype=torch.float64)
    side = torch.linspace(0, 1, num_control_points, dtype=torch.float64)
    return torch.stack(torch.meshgrid(side, side, indexing="xy"), dim=-1).reshape(-1, 2)


@lru_cache(maxsize=8)
def _spline_matrix(num_control_points: int, size: Size, device: torch.device) -> Tensor:
    """Return float32 (H·W, points): each pixel's move for a unit move of each control point.

    The spline through unmoved control points moves nothing, so the map is the identity plus this
    matrix times the moves.
    """
    control = _control_points(num_control_points)
    height, width = size
    pixels = pixel_grid(size, torch.device("cpu")).to(torch.float64).reshape(-1, 2)
    pixels = pixels / torch.tensor([width, height])
    at_control, at_pixels = torch.cdist(control, control) ** 2, torch.cdist(pixels, control) ** 2
    count = len(control)
    affine_terms = torch.cat((torch.ones(count, 1, dtype=torch.float64), control), dim=1)
    system = torch.zeros(count + 3, count + 3, dtype=torch.float64)
    system[:count, :count] = at_control.square() * torch.log(at_control + 1e-6)
    system[:count, count:] = affine_terms
    system[count:, :count] = affine_terms.T
    kernel = at_pixels * torch.log(at_pixels + 1e-6)
    pixel_terms = torch.cat((kernel, torch.ones(len(pixels), 1), pixels), dim=1)
    weights: Tensor = torch.linalg.inv(system)[:, :count]
    return (pixel_terms @ weights).to(torch.float32).to(device)
