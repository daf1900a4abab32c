import os

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import numpy as np
import numpy.typing as npt
import pytest
import torch


@pytest.fixture(autouse=True)
def _one_thread():
    """Many small tensors: a second thread costs more than it gives, more so under pytest-xdist."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def images() -> npt.NDArray[np.uint8]:
    """uint8 (48, 28, 28): noise (the hardest to interpolate), soft blobs, some extremes."""
    import cv2

    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (48, 28, 28), dtype=np.uint8)
    for image in noise[24:40]:
        image[:] = cv2.GaussianBlur(image, (0, 0), 3)
        image[:] = cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX)
    noise[40:44] = np.where(noise[40:44] < 128, 0, 255)
    noise[44], noise[45] = 0, 255
    return noise


@pytest.fixture(scope="session")
def coloured(images) -> npt.NDArray[np.uint8]:
    """uint8 (48, 28, 28, 3): the same in each channel with others, and some without colour."""
    others = np.stack([images, np.roll(images, 1, axis=0), images[:, ::-1]], axis=-1)
    others[40] = images[0][..., None]
    return others
