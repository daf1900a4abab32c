"""`make split`: assign every training image to one of ten stratified folds."""

from dataclasses import dataclass

import numpy as np

from pipeline.commands.knobs import Text
from pipeline.console import Reporter
from pipeline.data.competition import get_competition
from pipeline.data.digits_cache import load_training_images
from pipeline.data.files import locked
from pipeline.data.folds import NUM_FOLDS, assign_folds, read_folds, write_folds
from pipeline.errors import UserError
from pipeline.runs.workspace import Workspace

SPLIT_SEED = 0
"""One split for all runs, whatever their seed: so they can be compared image by image."""


@dataclass(frozen=True)
class Split:
    """Assign every training image to one of ten stratified folds."""

    competition: Text = "digit-recognizer"
    """Which competition: one of pipeline/competitions/."""

    def __call__(self, workspace: Workspace, reporter: Reporter) -> None:
        """Write `folds.csv`, unless folds of these very images are there."""
        competition = get_competition(self.competition)
        paths = workspace.input(competition)
        with locked(paths.lock, f"input/{competition.slug}"):
            _, labels = load_training_images(paths)
            counts = np.bincount(labels, minlength=competition.num_classes)
            if counts.min() < NUM_FOLDS:
                raise UserError(
                    f"{paths.train} has {counts.min()} images of class "
                    f"{competition.class_names[counts.argmin()]}; "
                    f"{NUM_FOLDS} folds need at least {NUM_FOLDS} of each."
                )
            try:
                folds = read_folds(paths.folds, labels)
            except UserError:  # none, damaged ones, or those of other images
                folds = assign_folds(labels, SPLIT_SEED)
                write_folds(paths.folds, labels, folds)
            sizes = np.bincount(folds)
            reporter.line(
                f"{competition.slug}: {len(labels):,} images in {NUM_FOLDS} stratified folds of "
                f"{sizes.min():,}" + (f" to {sizes.max():,}" if sizes.max() > sizes.min() else "")
            )
