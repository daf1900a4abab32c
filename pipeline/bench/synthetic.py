"""Noise in the shape of a competition: as much work as digits, and no data needed."""

import numpy as np

from pipeline.data.competition import Competition
from pipeline.data.digits import Digits
from pipeline.data.digits_cache import save_digits
from pipeline.data.files import write_record, write_text
from pipeline.data.folds import assign_folds, write_folds
from pipeline.data.labelled_images import LabelledImages
from pipeline.data.manifest import Manifest
from pipeline.runs.workspace import Workspace


def synthetic_images(num_images: int, competition: Competition) -> LabelledImages:
    """Return images of noise with their labels, every class as often as the others."""
    rng = np.random.default_rng(0)
    return LabelledImages(
        rng.integers(0, 256, (num_images, *competition.image_shape), dtype=np.uint8),
        (np.arange(num_images) % competition.num_classes).astype(np.uint8),
        np.arange(num_images),
    )


def write_synthetic_data(
    workspace: Workspace, competition: Competition, *, num_train: int, num_test: int
) -> None:
    """Write what `make data` and `make split` leave, without the CSV files of pixels.

    Args:
        workspace: Has no data of that competition yet.
        competition: Whose place the noise takes.
        num_train: Training images, at least 100.
        num_test: Test images.
    """
    inputs = workspace.input(competition)
    train, test = (synthetic_images(n, competition) for n in (num_train, num_test))
    digits = Digits(train.images, train.labels.astype(np.uint8), test.images)
    # In the order in which make expects them, oldest first.
    rows = "".join(f"{image_id},0\n" for image_id in range(1, num_test + 1))
    header = f"{competition.id_column},{competition.prediction_column}\n"
    write_text(inputs.sample_submission, header + rows)
    save_digits(inputs, digits)
    manifest = Manifest(
        competition=competition.slug,
        source="noise, for a benchmark",
        files={},
        class_counts={},
        digits_sha256=digits.sha256(),
    )
    write_record(inputs.manifest, manifest)
    write_folds(inputs.folds, digits.train_labels, assign_folds(digits.train_labels, 0))
