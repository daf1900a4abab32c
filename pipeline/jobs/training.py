"""Train one run: a network per fold asked for, resumable after every epoch."""

import shutil
from importlib import metadata

import numpy as np

from pipeline import __version__
from pipeline.artifacts.digits_cache import load_digits, load_manifest
from pipeline.artifacts.files import locked, remove_leftovers, sha256
from pipeline.artifacts.paths import InputPaths, RunPaths, Workspace
from pipeline.artifacts.probs import save_probs
from pipeline.artifacts.records import RunConfig, read_record, write_record
from pipeline.artifacts.tables import read_folds
from pipeline.augment.registry import check_recipe, deserialise
from pipeline.competition import get_competition
from pipeline.engine.device import choose_device
from pipeline.errors import UserError
from pipeline.jobs.fold_training import FoldTraining, fold_name
from pipeline.jobs.processes import choose_num_jobs, train_in_processes
from pipeline.labelled_images import LabelledImages
from pipeline.models import check_model_name
from pipeline.reporting import Reporter
from pipeline.runs import (
    RunSpec,
    accuracy_if_validated,
    data_differences,
    fingerprint,
    join_out_of_fold,
    spec_differences,
)
from pipeline.scoring import Accuracy, describe_expected
from pipeline.settings import ALL_DATA, NUM_FOLDS

_LIBRARIES = ("torch", "albumentations", "opencv-python-headless", "numpy")


def train_run(
    spec: RunSpec, workspace: Workspace, reporter: Reporter, *, force: bool = False
) -> Accuracy | None:
    """Train the folds asked for that are not finished yet.

    Args:
        spec: The run.
        workspace: Where everything lies.
        reporter: Hears of every epoch.
        force: Throw away what the run has so far and start again.

    Returns:
        The accuracy on the validation images of all finished folds; None if all data are
        trained on.

    Raises:
        UserError: Data or folds are missing, the run was made with other settings, a checkpoint
            is damaged, the device is not there, or another process writes the run.
    """
    settings = spec.settings
    competition = get_competition(settings.competition)
    paths, inputs = workspace.run(spec.name), workspace.input(competition)
    check_model_name(settings.model)
    device = choose_device(settings.device, settings.precision)
    digits = load_digits(inputs)
    row_folds = read_folds(inputs.folds, digits.train_labels)
    check_recipe(deserialise(spec.recipe), competition.image_shape)
    with locked(paths.lock, f"run {spec.name}"):
        config = _open_run(spec, paths, inputs, force=force)
        training = FoldTraining(
            settings=settings,
            recipe=spec.recipe,
            fingerprint=fingerprint(config),
            competition=competition,
            images=LabelledImages(
                digits.train_images, digits.train_labels, np.arange(len(row_folds))
            ),
            row_folds=row_folds,
            device=device,
        )
        reporter.line(
            f"{spec.name}: {settings.model}, recipe {settings.augment}, "
            f"{settings.epochs} epochs, {device}"
        )
        _train_folds(training, paths, reporter)
        out_of_fold = join_out_of_fold(paths)
        save_probs(paths.oof, out_of_fold)
        accuracy = accuracy_if_validated(out_of_fold, digits.train_labels)
        if accuracy is None:
            return None
        if (num_folds := len(paths.finished_folds())) > 1:
            reporter.line(f"{num_folds} folds, out of fold: accuracy {accuracy}")
        reporter.line(describe_expected(accuracy, len(digits.test_images), num_folds))
        return accuracy


def _train_folds(training: FoldTraining, paths: RunPaths, reporter: Reporter) -> None:
    """Train the folds asked for that are not finished, one after another or several at once."""
    left = []
    for fold in training.settings.fold_numbers:
        if training.is_finished(paths.fold(fold)):
            reporter.line(f"{fold_name(fold)}: finished before, nothing to train")
        else:
            left.append(fold)
    if not left:
        return
    training.describe(reporter)
    num_jobs = choose_num_jobs(training.settings.jobs, training.device, len(left))
    if num_jobs > 1:
        train_in_processes(training, left, paths, reporter, num_jobs)
        return
    for fold in left:
        training.train(fold, paths.fold(fold), reporter)


def _open_run(spec: RunSpec, paths: RunPaths, inputs: InputPaths, *, force: bool) -> RunConfig:
    """Make sure the folder holds this run and no other, or nothing yet."""
    remove_leftovers(paths.folder)
    if paths.ensemble.exists():
        raise UserError(f"run {spec.name} is an ensemble; give this one another name with RUN=.")
    if force:
        for path in (paths.config, paths.oof, paths.test_probs):
            path.unlink(missing_ok=True)
        for fold in (ALL_DATA, *range(NUM_FOLDS)):
            shutil.rmtree(paths.fold(fold).folder, ignore_errors=True)
    digits_sha256 = load_manifest(inputs).digits_sha256
    folds_sha256 = sha256(inputs.folds)
    try:
        config = read_record(paths.config, RunConfig)
    except FileNotFoundError:
        config = RunConfig(
            run=spec.name,
            preset=spec.preset,
            code_version=__version__,
            digits_sha256=digits_sha256,
            folds_sha256=folds_sha256,
            libraries={name: metadata.version(name) for name in _LIBRARIES},
            settings=spec.settings.model_dump(),
            recipe=spec.recipe,
        )
        write_record(paths.config, config)
        return config
    changes = spec_differences(config, spec)
    changes += data_differences(config, digits_sha256, folds_sha256)
    if changes:
        raise UserError(
            f"run {spec.name} was made with other settings or data: {'; '.join(changes)}. "
            "Give it another name with RUN=, or start it again with FORCE=1."
        )
    return config
