import albumentations as A
import numpy as np
import pytest
from matplotlib import image as png

from pipeline.report.recipe_picture import save_preview


@pytest.mark.parametrize(
    ("transforms", "num_strips"),
    [
        ([A.Affine(rotate=(-9, 9)), A.OneOf([A.ElasticTransform(), A.CoarseDropout()])], 3),
        ([A.MotionBlur(), A.GridDistortion()], 2),
        ([], 0),
    ],
)
def test_preview_is_a_picture_of_the_digits(tmp_path, transforms, num_strips):
    images = np.zeros((3, 1, 28, 28), np.uint8)
    images[:, :, 10:20, 12:16] = 255
    path = tmp_path / "new" / "preview.png"
    save_preview(path, images, A.Compose(transforms), title="mine")
    picture = png.imread(path)
    assert picture.shape[0] > 2 * 32 * (3 + num_strips)
    columns = (picture[..., :3].min(axis=2) < 0.2).any(axis=0).sum()
    assert columns > 15 * 2 * 4 * 0.9  # ink in every column of digits


def test_draws_follow_the_seed(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (2, 1, 28, 28), dtype=np.uint8)
    for name, seed in (("a.png", 1), ("b.png", 1), ("c.png", 2)):
        save_preview(tmp_path / name, images, A.Compose([A.Rotate(p=1)]), seed=seed)
    a, b, c = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")
    assert a == b != c


def test_colours_are_shown_as_they_are(tmp_path):
    images = np.empty((2, 3, 32, 32), np.uint8)
    images[:] = np.array([250, 120, 0])[:, None, None]
    save_preview(tmp_path / "p.png", images, A.Compose([]))
    shown = np.rint(255 * png.imread(tmp_path / "p.png")[..., :3])
    share = (np.abs(shown - [250, 120, 0]) < 2).all(axis=-1).sum() / (2 * 15 * (2 * 32) ** 2)
    assert share > 0.9  # two images in 15 columns, each pixel twice as large
