"""The augmentation recipes. This is the file to edit.

Each public function here is a recipe: it takes nothing and returns an albumentations `Compose`
that maps a uint8 image (28, 28, 1) to another. Add a function, then:

    make train AUGMENT=its_name

Training images alone are augmented, freshly in every epoch. Mind what a digit survives: a flip
makes letters of them, and beyond about 30° a 6 is on its way to a 9.
"""

import albumentations as A


def none() -> A.Compose:
    """The images as they are: the baseline every idea has to beat."""
    return A.Compose([])


def affine() -> A.Compose:
    """Turned, zoomed, moved and slanted a little, as another hand would have written them."""
    return A.Compose(
        [
            A.Affine(
                rotate=(-12, 12),
                scale=(0.88, 1.12),
                translate_percent=(-0.08, 0.08),
                shear=(-8, 8),
                p=1.0,
            )
        ]
    )


def elastic() -> A.Compose:
    """The affine recipe, then a pen that trembles (Simard et al., 2003)."""
    return A.Compose([*affine().transforms, A.ElasticTransform(alpha=30, sigma=5, p=0.7)])


def strong() -> A.Compose:
    """More of everything, for trainings that are long enough to make use of it."""
    return A.Compose(
        [
            A.Affine(
                rotate=(-15, 15),
                scale=(0.85, 1.15),
                translate_percent=(-0.12, 0.12),
                shear=(-10, 10),
                p=1.0,
            ),
            A.ElasticTransform(alpha=40, sigma=5, p=0.8),
        ]
    )


def erase() -> A.Compose:
    """The affine recipe, then small holes: no single stroke may decide."""
    return A.Compose(
        [
            *affine().transforms,
            A.CoarseDropout(
                num_holes_range=(1, 2), hole_height_range=(3, 7), hole_width_range=(3, 7), p=0.3
            ),
        ]
    )
