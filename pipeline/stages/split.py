"""The split: `folds.csv`, ten stratified folds, the same for every run."""

import numpy as np

from pipeline.artifacts.digits_cache import load_digits
from pipeline.artifacts.files import locked
from pipeline.artifacts.paths import Workspace
from pipeline.artifacts.tables import write_folds
from pipeline.competition import Competition
from pipeline.errors import UserError
from pipeline.folds import assign_folds
from pipeline.reporting import Reporter
from pipeline.settings import NUM_FOLDS

SPLIT_SEED = 0
"""One split for all runs, whatever their seed: so they can be compared image by image."""


def split(competition: Competition, workspace: Workspace, reporter: Reporter) -> None:
    """Assign every training image to a fold and write `folds.csv`.

    Raises:
        UserError: The data are missing or damaged, or a class has fewer than ten images.
    """
    paths = workspace.input(competition)
    with locked(paths.lock, f"input/{competition.slug}"):
        labels = load_digits(paths).train_labels
        counts = np.bincount(labels, minlength=competition.num_classes)
        if counts.min() < NUM_FOLDS:
            raise UserError(
                f"{paths.train} has {counts.min()} images of class {counts.argmin()}; "
                f"{NUM_FOLDS} folds need at least {NUM_FOLDS} of each."
            )
        folds = assign_folds(labels, SPLIT_SEED)
        write_folds(paths.folds, labels, folds)
        sizes = np.bincount(folds)
        reporter.line(
            f"{competition.slug}: {len(labels):,} images in {NUM_FOLDS} stratified folds of "
            f"{sizes.min():,}" + (f" to {sizes.max():,}" if sizes.max() > sizes.min() else "")
        )
