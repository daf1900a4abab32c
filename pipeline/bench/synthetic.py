"""Noise in the shape of a competition: as much work as digits, and no data needed."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from pipeline.data.competition import Competition, get_competition
from pipeline.data.digits import Digits
from pipeline.data.digits_cache import save_digits
from pipeline.data.files import write_record
from pipeline.data.folds import NUM_FOLDS, assign_folds, write_folds
from pipeline.data.labelled_images import LabelledImages
from pipeline.data.manifest import Manifest, file_facts
from pipeline.data.practice import write_sample_submission
from pipeline.runs.spec import RunSpec
from pipeline.runs.workspace import Workspace
from pipeline.training.device import choose_device
from pipeline.training.fold import FoldTraining


def synthetic_images(num_images: int, competition: Competition) -> LabelledImages:
    """Return images of noise with their labels, every class as often as the others."""
    rng = np.random.default_rng(0)
    return LabelledImages(
        rng.integers(0, 256, (num_images, *competition.image_shape), dtype=np.uint8),
        (np.arange(num_images) % competition.num_classes).astype(np.uint8),
        np.arange(num_images),
    )


def synthetic_training(spec: RunSpec, num_images: int) -> FoldTraining:
    """Return a run's training as it is, but of so many images of noise.

    Raises:
        UserError: Its device is not there.
    """
    settings = spec.settings
    competition = get_competition(settings.competition)
    images = synthetic_images(num_images, competition)
    return FoldTraining(
        settings=settings,
        recipe=spec.recipe,
        fingerprint="",
        competition=competition,
        images=images,
        row_folds=images.rows % NUM_FOLDS,
        device=choose_device(settings.device, settings.precision),
    )


@contextmanager
def synthetic_workspace(
    competition: Competition, num_train: int, num_test: int
) -> Iterator[Workspace]:
    """Give a temporary workspace with noise in place of a competition's images, split into folds.

    There is what `make data` and `make split` leave, but for the CSV files of pixels.
    """
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        inputs = workspace.input(competition)
        train, test = (synthetic_images(n, competition) for n in (num_train, num_test))
        digits = Digits(train.images, train.labels.astype(np.uint8), test.images)
        # In the order in which make expects them, oldest first.
        save_digits(inputs, digits)
        write_sample_submission(inputs, num_test)
        manifest = Manifest(
            competition=competition.slug,
            source="noise, for a benchmark",
            files=file_facts(inputs, {competition.sample_csv: num_test}),
            class_counts={},
            digits_sha256=digits.sha256(),
        )
        write_record(inputs.manifest, manifest)
        write_folds(inputs.folds, digits.train_labels, assign_folds(digits.train_labels, 0))
        yield workspace
