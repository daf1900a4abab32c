"""The augmentation recipes. This is the file to edit.

Each public function here is a recipe: it returns an albumentations `Compose` that maps a uint8
image (H, W, C) to another of that shape: (28, 28, 1) for digits, (32, 32, 3) for CIFAR-10's
photographs. Add a function, then:

    make train AUGMENT=its_name

A recipe may have arguments, all with defaults. `sweep_over` says between which values of them
`make sweep AUGMENT=its_name` may search; the defaults are the recipe.

Training images alone are augmented, freshly in every epoch. Mind what a digit survives: a flip
makes letters of them, and beyond about 30° a 6 is on its way to a 9. Write sizes as shares of the
image, and a recipe is good for any competition.
"""

import albumentations as A

from pipeline.augment.ranges import sweep_over

_MIRRORED = 4  # cv2.BORDER_REFLECT_101: outside an image lies its mirror image


def none() -> A.Compose:
    """The images as they are: the baseline every idea has to beat."""
    return A.Compose([])


@sweep_over(rotate=(0, 30), zoom=(0.0, 0.3), shift=(0.0, 0.2), shear=(0, 20))
def affine(
    rotate: float = 12, zoom: float = 0.12, shift: float = 0.08, shear: float = 8
) -> A.Compose:
    """Turned, zoomed, moved and slanted a little, as another hand would have written them."""
    return A.Compose(
        [
            A.Affine(
                rotate=(-rotate, rotate),
                scale=(1 - zoom, 1 + zoom),
                translate_percent=(-shift, shift),
                shear=(-shear, shear),
                p=1.0,
            )
        ]
    )


@sweep_over(alpha=(0, 80), sigma=(3.0, 8.0), p=(0.0, 1.0))
def elastic(alpha: float = 30, sigma: float = 5, p: float = 0.7) -> A.Compose:
    """The affine recipe, then a pen that trembles (Simard et al., 2003)."""
    return A.Compose([*affine().transforms, A.ElasticTransform(alpha=alpha, sigma=sigma, p=p)])


@sweep_over(rotate=(0, 30), zoom=(0.0, 0.3), shift=(0.0, 0.2), shear=(0, 20), alpha=(0, 80))
def strong(
    rotate: float = 15,
    zoom: float = 0.15,
    shift: float = 0.12,
    shear: float = 10,
    alpha: float = 40,
) -> A.Compose:
    """More of everything, for trainings that are long enough to make use of it."""
    return A.Compose(
        [
            *affine(rotate, zoom, shift, shear).transforms,
            A.ElasticTransform(alpha=alpha, sigma=5, p=0.8),
        ]
    )


@sweep_over(most_holes=(1, 4), largest=(3, 12), p=(0.0, 1.0))
def erase(most_holes: int = 2, largest: int = 7, p: float = 0.3) -> A.Compose:
    """The affine recipe, then small holes: no single stroke may decide."""
    return A.Compose(
        [
            *affine().transforms,
            A.CoarseDropout(
                num_holes_range=(1, most_holes),
                hole_height_range=(3, largest),
                hole_width_range=(3, largest),
                p=p,
            ),
        ]
    )


@sweep_over(shift=(1, 8))
def crop_flip(shift: int = 4) -> A.Compose:
    """For photographs: moved by a few pixels, and mirrored left to right every other time.

    To move an image with its mirror image around it is to pad it so and to crop it at random to its
    size, whatever that is (He et al., 2016, with black around it).
    """
    return A.Compose(
        [
            A.Affine(translate_px=(-shift, shift), border_mode=_MIRRORED, p=1.0),
            A.HorizontalFlip(p=0.5),
        ]
    )


@sweep_over(shift=(1, 8), jitter=(0.0, 0.5), hole=(0.1, 0.6), p=(0.0, 1.0))
def photo(shift: int = 4, jitter: float = 0.2, hole: float = 0.25, p: float = 0.5) -> A.Compose:
    """For photographs in colour: crop_flip, in another light, and with a square hole.

    The hole's side is a share of the image's (DeVries & Taylor, 2017).
    """
    light = (1 - jitter, 1 + jitter)
    return A.Compose(
        [
            *crop_flip(shift).transforms,
            A.ColorJitter(light, light, light, hue=(-jitter / 10, jitter / 10), p=p),
            A.CoarseDropout(
                num_holes_range=(1, 1),
                hole_height_range=(hole, hole),
                hole_width_range=(hole, hole),
                p=p,
            ),
        ]
    )
