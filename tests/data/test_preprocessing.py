"""Scaling: by one number each for ink, by three for colours."""

import numpy as np
import pytest
import torch

from pipeline.data.preprocessing import Preprocessing


def test_ink_is_scaled_by_two_numbers():
    images = np.random.default_rng(0).integers(0, 200, (9, 1, 5, 4), dtype=np.uint8)
    scaling = Preprocessing.of(images)
    assert (scaling.mean, scaling.std) == pytest.approx((images.mean(), images.std()))
    assert isinstance(scaling.mean, float)


def test_each_colour_has_mean_0_and_deviation_1():
    levels = np.array([20, 100, 250])[:, None, None]
    images = np.random.default_rng(0).integers(0, levels, (50, 3, 8, 6), dtype=np.uint8)
    scaled = Preprocessing.of(images)(torch.from_numpy(images))
    assert scaled.dtype == torch.float32
    assert scaled.mean(dim=(0, 2, 3)).numpy() == pytest.approx([0, 0, 0], abs=1e-5)
    assert scaled.std(dim=(0, 2, 3)).numpy() == pytest.approx([1, 1, 1], abs=1e-3)


def test_an_empty_channel_stays_finite():
    images = np.zeros((2, 3, 4, 4), np.uint8)
    assert not Preprocessing.of(images)(torch.from_numpy(images)).any()
