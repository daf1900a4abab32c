"""`make preview`: draw what the recipe does to ten digits: runs/preview-<recipe>.png."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.augment.checking import check_recipe
from pipeline.augment.registry import deserialise
from pipeline.augment.remarks import remarks
from pipeline.commands.knobs import Knobs
from pipeline.console import Reporter
from pipeline.data.competition import get_competition
from pipeline.data.digits_cache import load_training_images
from pipeline.data.files import replacing
from pipeline.report.recipe_picture import save_preview
from pipeline.runs.spec import EnsembleSpec, RunSpec
from pipeline.runs.workspace import Workspace


@dataclass(frozen=True)
class Preview(Knobs):
    """Draw what the recipe does to ten digits, and each of its transforms at its extremes."""

    def __call__(self, workspace: Workspace, reporter: Reporter) -> list[Path]:
        """Write a picture for each recipe that the knobs mean, and return their paths."""
        spec = self.specify_any(workspace)
        runs = spec.members if isinstance(spec, EnsembleSpec) else (spec,)
        by_recipe = {run.settings.augment: run for run in runs}
        return [_draw(run, workspace, reporter) for run in by_recipe.values()]


def _draw(spec: RunSpec, workspace: Workspace, reporter: Reporter) -> Path:
    """Draw one run's recipe on the first digit of each class."""
    competition = get_competition(spec.settings.competition)
    recipe = deserialise(spec.recipe, num_channels=competition.image_shape[0])
    check_recipe(recipe, competition.image_shape)
    images, labels = load_training_images(workspace.input(competition))
    _, first_of_each_class = np.unique(labels, return_index=True)
    path = workspace.preview(spec.settings.augment)
    with replacing(path) as temporary:
        save_preview(
            temporary,
            images[first_of_each_class],
            recipe,
            title=f"Recipe {spec.settings.augment!r} on {competition.slug}",
            seed=spec.settings.seed,
        )
    for remark in remarks(spec.recipe, competition):
        reporter.line(f"note: {remark}")
    reporter.line(f"preview of recipe {spec.settings.augment!r}: {path}")
    return path
