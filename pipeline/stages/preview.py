"""A picture of a recipe's work on one digit of each class."""

from pathlib import Path

import numpy as np

from pipeline.artifacts.digits_cache import load_digits
from pipeline.artifacts.files import replacing
from pipeline.artifacts.paths import Workspace
from pipeline.augment.preview import save_preview
from pipeline.augment.registry import check_recipe, deserialise
from pipeline.competition import get_competition
from pipeline.reporting import Reporter
from pipeline.runs import RunSpec


def preview(spec: RunSpec, workspace: Workspace, reporter: Reporter) -> Path:
    """Write `runs/preview-<recipe>.png` and return its path.

    Args:
        spec: Gives the competition, the recipe and the seed of the draws.
        workspace: Where everything lies.
        reporter: Told the path.

    Raises:
        UserError: The data are missing, or the recipe is faulty.
    """
    competition = get_competition(spec.settings.competition)
    recipe = deserialise(spec.recipe)
    check_recipe(recipe, competition.image_shape)
    digits = load_digits(workspace.input(competition))
    _, first_of_each_class = np.unique(digits.train_labels, return_index=True)
    path = workspace.preview(spec.settings.augment)
    with replacing(path) as temporary:
        save_preview(
            temporary,
            digits.train_images[first_of_each_class],
            recipe,
            title=f"Recipe {spec.settings.augment!r} on {competition.slug}",
            seed=spec.settings.seed,
        )
    reporter.line(f"preview of recipe {spec.settings.augment!r}: {path}")
    return path
