"""albumentations recipes, run on whole batches of images on the device that trains.

    recipe = compile_recipe(A.Compose([A.Affine(rotate=(-15, 15)), A.ElasticTransform(p=0.5)]))
    keys = image_keys(seed, epoch, rows)
    augmented = recipe(images, keys)

albumentations takes one image at a time; on 28×28 pixels nearly all of its time is
the overhead of the call. Here the recipe is read once and becomes tensor operations on
(B, C, H, W), grey or in colour, with parameters of its own for each image. It means the same: the
tests compare the pixels under the same parameters, the distribution of the parameters, and how
often each transform fires. What cannot be given the same meaning is refused by name
(`NotCompilable`).

The way through the package: `compiler` walks the recipe and checks it against `support`, where
each transform's class stands with what its arguments may be. Out comes a `recipe`: a flat list of
transforms, each behind its `gates` (p and the combinators). Random numbers come from `counter`.
Geometric transforms (`affine`, `distortion`, `elastic`) are composed to one `grid`, at which
`sampling` reads the images once; the others (`dropout`, `pixel`, `colour`, `filters`) change the
pixels, or the size of the images (`frame`).
"""

from pipeline.augment.batched.compiled import BatchedRecipe
from pipeline.augment.batched.compiler import NotCompilable, compile_recipe
from pipeline.augment.batched.counter import image_keys

__all__ = ["BatchedRecipe", "NotCompilable", "compile_recipe", "image_keys"]
