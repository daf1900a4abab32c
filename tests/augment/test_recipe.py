"""A compiled recipe as a whole: reproducible, fused, and never silently different."""

import albumentations as A
import cv2
import numpy as np
import pytest
import torch

from pipeline.augment.batched import BatchedRecipe, NotCompilable, compile_recipe, image_keys
from pipeline.augment.batched.grid import SamplingGrid, pixel_grid
from pipeline.augment.batched.sampling import Sampler
from pipeline.augment.batched.support import COMBINATORS, TRANSFORMS
from tests.augment.reference import channels_last
from tests.augment.support_table import markdown

pytestmark = pytest.mark.machine

AFFINE = {"rotate": (-15, 15), "scale": (0.9, 1.1), "translate_percent": 0.1, "shear": (-8, 8)}
ALL = [
    A.Affine(p=0.8, **AFFINE),
    A.ElasticTransform(alpha=34, sigma=4, p=0.7),
    A.OneOf([A.GridDistortion(), A.Perspective(), A.ThinPlateSpline()], p=0.7),
    A.CoarseDropout(fill="random", p=0.5),
    A.SomeOf([A.GaussNoise(), A.GaussianBlur(), A.RandomGamma(), A.Morphological()], n=2),
    A.RandomOrder([A.HorizontalFlip(), A.Sharpen(), A.Rotate(border_mode=2)], n=2),
]


def soft_images(count: int) -> torch.Tensor:
    """uint8 (count, 1, 28, 28): blobs as wide as a pen's stroke, with a margin as digits have."""
    rng = np.random.default_rng(0)
    dots = np.zeros((count, 28, 28))
    dots[:, 6:-6, 6:-6] = (rng.random((count, 16, 16)) > 0.95) * 255.0
    soft = [np.clip(cv2.GaussianBlur(d, (0, 0), 1.5) * 8, 0, 255) for d in dots]
    return torch.from_numpy(np.stack(soft).astype(np.uint8))[:, None]


def test_the_draw_for_an_image_depends_on_its_key_alone():
    recipe = compile_recipe(A.Compose(ALL))
    images, rows = soft_images(300), torch.arange(300)
    together = recipe(images, image_keys(5, 2, rows))
    backwards = recipe(images.flip(0), image_keys(5, 2, rows.flip(0))).flip(0)
    parts = [
        recipe(images[a:b], image_keys(5, 2, rows[a:b])) for a, b in ((0, 1), (1, 37), (37, 300))
    ]
    assert torch.equal(backwards, together)
    assert torch.equal(torch.cat(parts), together)
    assert torch.equal(recipe(images, image_keys(5, 2, rows)), together)
    assert not torch.equal(recipe(images, image_keys(5, 3, rows)), together)
    assert not torch.equal(recipe(images, image_keys(6, 2, rows)), together)


def test_float_output_has_the_same_values():
    recipe = compile_recipe(A.Compose(ALL))
    images, keys = soft_images(64), image_keys(0, 0, torch.arange(64))
    as_float = recipe(images, keys, dtype=torch.float32)
    assert as_float.dtype == torch.float32
    assert torch.equal(as_float.to(torch.uint8), recipe(images, keys))
    assert torch.equal(as_float, as_float.round())


def test_empty_recipe_and_empty_batch():
    images, keys = soft_images(4), image_keys(0, 0, torch.arange(4))
    assert torch.equal(compile_recipe(A.Compose([]))(images, keys), images)
    assert torch.equal(compile_recipe(A.Compose([A.NoOp(), A.Affine(p=0)]))(images, keys), images)
    assert compile_recipe(A.Compose(ALL))(images[:0], keys[:0]).shape == (0, 1, 28, 28)


def test_other_sizes():
    images = torch.randint(0, 256, (9, 1, 40, 33), dtype=torch.uint8)
    out = compile_recipe(A.Compose(ALL))(images, image_keys(0, 0, torch.arange(9)))
    assert out.shape == images.shape


@pytest.mark.parametrize(
    "transform",
    [
        A.Erasing(scale=(0.9, 1.0), ratio=(2, 3)),
        A.GridDistortion(num_steps=40),
        A.GridDropout(holes_number_xy=(40, 2)),
        A.GridDropout(holes_number_xy=(2, 40)),
        A.CoarseDropout(hole_height_range=(30, 40), hole_width_range=(1, 2)),
        A.CoarseDropout(hole_height_range=(3, 40), hole_width_range=(30, 50)),
        A.GaussianBlur(sigma_limit=(1, 40)),
        A.UnsharpMask(blur_limit=(3, 41)),
        A.Morphological(scale=(2, 40)),
    ],
    ids=lambda t: type(t).__name__,
)
def test_what_does_not_fit_into_the_image_is_refused_by_name(transform):
    with pytest.raises(NotCompilable, match=type(transform).__name__):
        compile_recipe(A.Compose([transform]), size=(28, 28))
    if not isinstance(transform, A.Erasing):
        compile_recipe(A.Compose([transform]), size=(60, 60))


TO_ANOTHER_SIZE_AND_BACK = {
    "pad and crop": [A.Pad(4, border_mode=cv2.BORDER_REFLECT_101), A.RandomCrop(28, 24)],
    "pad if needed": [A.PadIfNeeded(36, 32, fill=200), A.RandomCrop(28, 24)],
    "resize and crop": [A.Resize(40, 40), A.HorizontalFlip(), A.RandomCrop(28, 24)],
    "turned between": [A.Resize(40, 36), A.Affine(rotate=(-9, 9)), A.Erasing(), A.Resize(28, 24)],
    "crop and pad": [A.RandomCrop(20, 20), A.PadIfNeeded(28, 24)],
    "crop of the size": [A.OneOf([A.RandomCrop(28, 24), A.Resize(28, 24)], p=0.5)],
}


@pytest.mark.parametrize("num_channels", [1, 3])
@pytest.mark.parametrize("way", TO_ANOTHER_SIZE_AND_BACK)
def test_images_may_have_another_size_between_transforms(way, num_channels):
    """They show what albumentations' can show, each from its own draw."""
    recipe = A.Compose(TO_ANOTHER_SIZE_AND_BACK[way])
    compiled = compile_recipe(recipe, size=(28, 24), num_channels=num_channels)
    rows = torch.arange(300)
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (1, num_channels, 28, 24), dtype=torch.uint8, generator=generator)
    images = image.expand(300, -1, -1, -1)
    together = compiled(images, image_keys(5, 2, rows))
    assert together.shape == images.shape
    apart = [compiled(images[n : n + 7], image_keys(5, 2, rows[n : n + 7])) for n in (0, 7, 293)]
    assert torch.equal(torch.cat(apart), together[[*range(14), *range(293, 300)]])
    if way == "turned between":
        return
    recipe.set_random_seed(0)
    theirs = np.stack([recipe(image=channels_last(image)[0])["image"] for _ in range(1500)])
    theirs = theirs.reshape(1500, 1, -1).astype(int)
    kinds = np.unique(theirs, axis=0)
    ours = channels_last(together).reshape(1, 300, -1).astype(int)
    nearest = np.concatenate([np.abs(ours - kind).max(axis=-1) for kind in kinds])
    assert (nearest.min(axis=0) <= 1).mean() > 0.9  # 1,500 draws show nearly all places
    assert len(np.unique(nearest.argmin(axis=0))) > 0.4 * len(kinds)


@pytest.mark.parametrize(
    ("transforms", "named"),
    [
        ([A.Resize(40, 40)], "the recipe makes images of 40×40 pixels from 28×28"),
        ([A.Pad(4), A.RandomCrop(28, 30)], "the recipe makes images of 28×30 pixels from 28×28"),
        ([A.Pad(4, p=0.5), A.RandomCrop(28, 28)], "Pad: changes the size of some images only"),
        (
            [A.OneOf([A.Resize(40, 40), A.Resize(30, 30)], p=1), A.RandomCrop(28, 28)],
            "Resize: changes the size of some images only",
        ),
        ([A.RandomCrop(29, 9), A.Resize(28, 28)], "RandomCrop(height=29, width=9): larger"),
        ([A.Resize(9, 9), A.RandomCrop(28, 28)], "RandomCrop(height=28, width=28): larger"),
        ([A.Resize(9, 40), A.Morphological(scale=(10, 10))], "Morphological(scale="),
        (
            [A.RandomCrop(28, 28, pad_if_needed=True, pad_position="random")],
            "RandomCrop(pad_position='random')",
        ),
        ([A.PadIfNeeded(30, 30, position="random"), A.RandomCrop(28, 28)], "PadIfNeeded(position="),
        ([A.Resize(28, 28, interpolation=cv2.INTER_AREA)], "Resize(interpolation=3)"),
        (
            [A.Pad(2), A.Resize(28, 28, area_for_downscale="image")],
            "Resize(area_for_downscale='image')",
        ),
        ([A.CenterCrop(28, 28)], "CenterCrop: no batched version"),
    ],
)
def test_another_size_is_refused_where_it_cannot_be_followed(transforms, named):
    with pytest.raises(NotCompilable) as refused:
        compile_recipe(A.Compose(transforms))
    assert refused.value.reasons[0].startswith(named)


IN_COLOUR = [
    *ALL,
    A.OneOf([A.ColorJitter(), A.HueSaturationValue(), A.RGBShift()], p=0.8),
    A.SomeOf([A.ToGray(), A.ToSepia(), A.ChannelShuffle()], n=1, p=0.4),
    A.Erasing(fill=(9, 200, 100)),
    A.GaussNoise(per_channel=False),
]


def test_the_draw_for_a_coloured_image_depends_on_its_key_alone():
    recipe = compile_recipe(A.Compose(IN_COLOUR), num_channels=3)
    images, rows = soft_images(600).view(200, 3, 28, 28), torch.arange(200)
    together = recipe(images, image_keys(5, 2, rows))
    backwards = recipe(images.flip(0), image_keys(5, 2, rows.flip(0))).flip(0)
    assert torch.equal(backwards, together)
    assert torch.equal(recipe(images[7:9], image_keys(5, 2, rows[7:9])), together[7:9])
    assert together.shape == images.shape
    assert not torch.equal(recipe(images, image_keys(5, 3, rows)), together)


@pytest.mark.parametrize(
    ("transform", "named"),
    [
        (A.ToGray(num_output_channels=1), "ToGray(num_output_channels=1)"),
        (A.ToGray(method="pca"), "ToGray(method='pca')"),
        (A.Affine(fill=(1, 2, 3, 4)), "Affine(fill="),
        (A.Affine(fill=(1, 2, 300)), "Affine(fill="),
        (A.CoarseDropout(fill=(1,)), "CoarseDropout(fill=(1.0,))"),
        (A.ToFloat(), "ToFloat: no batched version"),
    ],
)
def test_what_is_not_covered_in_colour_is_refused_by_name(transform, named):
    with pytest.raises(NotCompilable) as refused:
        compile_recipe(A.Compose([transform]), num_channels=3)
    assert refused.value.reasons[0].startswith(named)


@pytest.mark.parametrize("cls", [s.source for s in TRANSFORMS if not s.on_grey])
def test_what_only_changes_colours_is_no_batched_transform_of_grey_images(cls):
    with pytest.raises(NotCompilable, match=f"{cls.__name__}: .* for grey images"):
        compile_recipe(A.Compose([cls()]))


def num_resamplings(recipe: BatchedRecipe) -> int:
    return sum(step.geometric for step in recipe._steps)


def test_how_often_images_are_resampled():
    flip, rotate, elastic = A.HorizontalFlip(), A.Rotate(), A.ElasticTransform()
    nearest = A.Rotate(interpolation=cv2.INTER_NEAREST)
    for transforms, fused in (
        ([rotate, elastic, flip, A.Perspective()], 1),
        ([rotate, A.OneOf([elastic, A.ThinPlateSpline(), A.NoOp()])], 1),
        ([rotate, nearest, flip], 2),
        ([rotate, A.GaussNoise(), elastic, rotate], 2),
        ([A.GaussNoise(), flip], 1),
    ):
        assert num_resamplings(compile_recipe(A.Compose(transforms))) == fused
    assert num_resamplings(compile_recipe(A.Compose([rotate, elastic, flip]), fuse=False)) == 3


@pytest.mark.parametrize(
    ("transforms", "most", "mean"),
    [
        # Largest and mean difference in levels (0..255); measured 35 and 1.2, 41 and 1.2, 47 and
        # 2.7 for curves as sharp as a pen's. What a transform moves out of the frame is lost when
        # the next is run on its result, and comes back when they are fused: hence the margin.
        ([A.Affine(p=1, **AFFINE), A.ElasticTransform(alpha=34, sigma=4, p=1)], 50, 1.5),
        ([A.ElasticTransform(alpha=34, sigma=4, p=1), A.Affine(p=1, **AFFINE)], 50, 1.5),
        (
            [A.Rotate(20, p=1), A.OpticalDistortion(p=1), A.GridDistortion(distort_limit=0.1, p=1)],
            60,
            3.5,
        ),
        ([A.HorizontalFlip(p=0.5), A.Rotate(20, p=1)], 1, 0.01),
        ([A.HorizontalFlip(p=0.5), A.ElasticTransform(alpha=34, sigma=4, p=1)], 1, 0.01),
    ],
)
def test_fusing_changes_little(transforms, most, mean):
    images, keys = soft_images(200), image_keys(1, 0, torch.arange(200))
    fused = compile_recipe(A.Compose(transforms))(images, keys)
    sequential = compile_recipe(A.Compose(transforms), fuse=False)(images, keys)
    difference = (fused.float() - sequential.float()).abs()
    assert difference.max() <= most
    assert difference.mean() <= mean


def test_fusing_is_nearer_to_the_truth():
    """Against an image known between its pixels: two resamplings blur more than one."""
    blobs = torch.tensor([[9.0, 10.0], [17.0, 15.0], [12.0, 20.0]])

    def truth(points: torch.Tensor) -> torch.Tensor:
        squares = (points[..., None, :] - blobs).square().sum(-1)
        return 200 * torch.exp(-squares / (2 * 1.5**2)).amax(-1)

    images = (
        truth(pixel_grid((28, 28), torch.device("cpu"))).round()[None, None].expand(100, 1, -1, -1)
    )
    keys = image_keys(0, 0, torch.arange(100))
    transforms = [A.Affine(p=1, **AFFINE), A.ElasticTransform(alpha=34, sigma=4, p=1)]
    grids = []

    class Spy(Sampler):
        def __call__(self, images: torch.Tensor, grid: SamplingGrid) -> torch.Tensor:
            grids.append(grid.coordinates())
            return super().__call__(images, grid)

    recipe = compile_recipe(A.Compose(transforms))
    (step,) = recipe._steps
    object.__setattr__(step, "sampler", Spy("bilinear", "constant", 0.0))
    fused = recipe(images.to(torch.uint8), keys).float()
    sequential = compile_recipe(A.Compose(transforms), fuse=False)(
        images.to(torch.uint8), keys
    ).float()
    exact = truth(grids[0])[:, None]
    assert (fused - exact).abs().mean() < 0.7 * (sequential - exact).abs().mean()


REFUSED = [
    (A.Affine(fit_output=True), "Affine(fit_output=True)"),
    (A.Affine(interpolation=cv2.INTER_LANCZOS4), "Affine(interpolation=4)"),
    (A.Affine(fill=(1, 2, 3)), "Affine(fill="),
    (A.Affine(fill=0.5), "Affine(fill=0.5)"),
    (A.Affine(scale=0.001), "Affine(scale="),
    (A.Affine(shear=(-90, 90)), "Affine(shear="),
    (A.Affine(translate_percent=50.0), "Affine(translate_percent="),
    (A.CoarseDropout(fill=(1, 2, 3)), "CoarseDropout(fill=(1.0, 2.0, 3.0))"),
    (A.CoarseDropout(num_holes_range=(1, 999)), "CoarseDropout(num_holes_range=(1, 999))"),
    (A.OpticalDistortion(interpolation=0), "OpticalDistortion(mode='camera', interpolation=0)"),
    (A.OpticalDistortion(distort_limit=9), "OpticalDistortion(distort_limit=(-9.0, 9.0))"),
    (A.GridDistortion(distort_limit=(-1, -1)), "GridDistortion(distort_limit=(-1.0, -1.0), "),
    (A.ThinPlateSpline(num_control_points=9), "ThinPlateSpline(num_control_points=9)"),
    (A.Rotate(crop_border=True), "Rotate(crop_border=True)"),
    (A.Perspective(keep_size=False), "Perspective(keep_size=False)"),
    (A.Perspective(fit_output=True), "Perspective(fit_output=True)"),
    (A.CoarseDropout(fill="inpaint_ns"), "CoarseDropout(fill='inpaint_ns')"),
    (A.CoarseDropout(hole_width_range=(2, 5)), "CoarseDropout(hole_width_range=(2, 5))"),
    (A.GridDropout(unit_size_range=(3, 6)), "GridDropout(unit_size_range=(3, 6))"),
    (A.Sharpen(method="gaussian"), "Sharpen(method='gaussian')"),
    (A.UnsharpMask(sigma_limit=(0, 2)), "UnsharpMask(sigma_limit="),
    (A.GaussianBlur(sigma_limit=(0, 2)), "GaussianBlur(sigma_limit="),
    (A.Transpose(), "Transpose"),
    (A.MotionBlur(), "MotionBlur"),
    (A.OneOrOther(A.HorizontalFlip(), A.VerticalFlip()), "OneOrOther"),
]


@pytest.mark.parametrize(
    ("transform", "named"), REFUSED, ids=lambda v: v if isinstance(v, str) else ""
)
def test_what_is_not_covered_is_refused_by_name(transform, named):
    recipe = A.Compose([A.Rotate(), A.OneOf([A.Sequential([transform]), A.HorizontalFlip()])])
    with pytest.raises(NotCompilable) as refused:
        compile_recipe(recipe)
    (reason,) = refused.value.reasons
    assert reason.startswith(named)


def test_a_refusal_names_every_obstacle_once():
    recipe = A.Compose([A.Transpose(), A.Rotate(crop_border=True), A.Transpose(), A.MotionBlur()])
    with pytest.raises(NotCompilable, match="crop_border") as refused:
        compile_recipe(recipe)
    assert [r.split("(")[0].split(":")[0] for r in refused.value.reasons] == [
        "Transpose",
        "Rotate",
        "MotionBlur",
    ]


def test_subclasses_and_new_arguments_are_refused():
    class Mine(A.Rotate):
        def apply(self, img, *args, **params):
            return img

    class Schema(A.InvertImg.InitSchema):
        strength: float = 1.0

    with pytest.raises(NotCompilable, match="Mine: no batched version"):
        compile_recipe(A.Compose([Mine()]))
    transform = A.InvertImg()
    before = A.InvertImg.InitSchema
    A.InvertImg.InitSchema = Schema
    try:
        with pytest.raises(NotCompilable, match=r"InvertImg\(strength="):
            compile_recipe(A.Compose([transform]))
    finally:
        A.InvertImg.InitSchema = before


def test_each_argument_of_each_transform_has_a_rule():
    for support in TRANSFORMS:
        known = set(support.source.InitSchema.model_fields) - {"p", "strict"}
        assert set(support.arguments) == known


def test_the_table_covers_everything():
    names = [s.source.__name__ for s in TRANSFORMS] + [c.__name__ for c in COMBINATORS]
    shown = [name for row in markdown().splitlines()[2:] for name in row.split("|")[1].split(", ")]
    assert sorted(name.strip(" `") for name in shown) == sorted(names)
