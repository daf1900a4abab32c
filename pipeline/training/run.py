"""Train one run: a network per fold asked for, resumable after every epoch."""

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace

import numpy as np

from pipeline import __version__
from pipeline.augment.checking import check_recipe
from pipeline.augment.registry import deserialise
from pipeline.console import Reporter
from pipeline.data.competition import get_competition
from pipeline.data.digits_cache import load_training_images
from pipeline.data.files import locked, read_record, remove_leftovers, sha256, write_record
from pipeline.data.folds import ALL_DATA, NUM_FOLDS, read_folds
from pipeline.data.inputs import InputPaths
from pipeline.data.labelled_images import LabelledImages
from pipeline.data.manifest import load_manifest
from pipeline.errors import UserError
from pipeline.networks import check_model_name
from pipeline.runs.network_code import hash_network
from pipeline.runs.probs import save_probs
from pipeline.runs.records import RunConfig
from pipeline.runs.results import RETRAIN, accuracy_if_validated, join_out_of_fold
from pipeline.runs.scoring import Accuracy, describe_expected, mean_of
from pipeline.runs.spec import (
    RunSpec,
    data_differences,
    fingerprint,
    spec_differences,
    specify_again,
)
from pipeline.runs.workspace import RunPaths, Workspace
from pipeline.training.cluster import ClusterJob, train_on_cluster
from pipeline.training.device import choose_device
from pipeline.training.fold import FoldTraining, fold_name
from pipeline.training.memory import advising_on_memory
from pipeline.training.processes import choose_num_jobs, train_in_processes
from pipeline.training.versions import library_versions


def train_run(
    spec: RunSpec,
    workspace: Workspace,
    reporter: Reporter,
    *,
    force: bool = False,
    show_network: bool = True,
) -> Accuracy | None:
    """Train the folds asked for that are not finished yet, or all of them anew by `force`.

    The network is shown, layer by layer, if something is trained. Returned is the accuracy on the
    validation images of all finished folds, or None if all data are trained on.

    Raises:
        UserError: Data or folds are missing, the run was made with other settings, a checkpoint
            is damaged, the device is not there, or another process writes the run.
    """
    settings = spec.settings
    with _opened(spec, workspace, force=force) as (training, paths):
        reporter.line(
            f"{spec.name}: {settings.model}, recipe {settings.augment}, "
            f"{settings.epochs} epochs, {training.device}"
        )
        _train_folds(training, paths, reporter, show_network)
        out_of_fold = join_out_of_fold(paths)
        save_probs(paths.oof, out_of_fold)
        accuracy = accuracy_if_validated(out_of_fold, training.images.labels)
        if accuracy is None:
            return None
        if (num_folds := len(paths.finished_folds())) > 1:
            reporter.line(f"{num_folds} folds, out of fold: accuracy {accuracy}")
        manifest = load_manifest(workspace.input(training.competition))
        num_test = manifest.files[training.competition.sample_csv].num_rows
        num_scored = training.competition.count_scored(num_test)
        reporter.line(describe_expected(accuracy, num_scored, mean_of(num_folds)))
        return accuracy


def train_together(
    specs: Sequence[RunSpec], workspace: Workspace, reporter: Reporter, *, force: bool = False
) -> None:
    """Train the networks of several runs at once, on their cluster; `train_run` then finds them.

    It raises what that raises.
    """
    with ExitStack() as opened:
        jobs = []
        for spec in specs:
            training, paths = opened.enter_context(_opened(spec, workspace, force=force))
            jobs.append(ClusterJob(training, paths, unfinished_folds(training, paths)))
        if any(job.folds for job in jobs):
            train_on_cluster(jobs, specs[0].settings.cluster, reporter)


@contextlib.contextmanager
def _opened(
    spec: RunSpec, workspace: Workspace, *, force: bool
) -> Iterator[tuple[FoldTraining, RunPaths]]:
    """What trains a run's folds, and its files, locked; those of another run are refused."""
    code = hash_network(spec.settings.model)
    if force:  # by whatever code it was made before
        spec = replace(spec, network=code)
    training = prepare_training(spec, workspace)
    paths, inputs = workspace.run(spec.name), workspace.input(training.competition)
    if spec.network not in (None, code) and unfinished_folds(training, paths):
        raise UserError(
            f"the network {spec.settings.model!r} is edited, and run {spec.name} is of its code "
            "before: to train what is left of that, bring the code back; or train another run."
        )
    with locked(paths.lock, f"run {spec.name}"):
        config = _open_run(_new_config(spec, inputs), paths, force=force)
        yield replace(training, fingerprint=fingerprint(config)), paths


def unfinished_folds(training: FoldTraining, paths: RunPaths) -> list[int]:
    """Return the folds asked for that are not finished."""
    numbers = training.settings.fold_numbers
    return [fold for fold in numbers if not training.is_finished(paths.fold(fold))]


def prepare_training(spec: RunSpec, workspace: Workspace) -> FoldTraining:
    """Return what trains the folds of a run; nothing is written.

    What is missing (data, folds, the device) or faulty (network, recipe) raises a UserError.
    """
    competition = get_competition(spec.settings.competition)
    inputs = workspace.input(competition)
    check_model_name(spec.settings.model)
    device = choose_device(spec.settings.device, spec.settings.precision)
    images, labels = load_training_images(inputs)
    row_folds = read_folds(inputs.folds, labels)
    recipe = deserialise(spec.recipe, num_channels=competition.image_shape[0])
    check_recipe(recipe, competition.image_shape)
    return FoldTraining(
        settings=spec.settings,
        recipe=spec.recipe,
        fingerprint=fingerprint(_new_config(spec, inputs)),
        competition=competition,
        images=LabelledImages(images, labels, np.arange(len(row_folds))),
        row_folds=row_folds,
        device=device,
    )


def _train_folds(
    training: FoldTraining, paths: RunPaths, reporter: Reporter, show_network: bool
) -> None:
    """Train the folds asked for that are not finished, one after another or several at once."""
    left = unfinished_folds(training, paths)
    for fold in training.settings.fold_numbers:
        if fold not in left:
            reporter.line(f"{fold_name(fold)}: finished before, nothing to train")
    if not left:
        return
    with advising_on_memory(training.what_to_lower):
        if show_network:
            training.describe(reporter)
        if training.settings.cluster:
            job = ClusterJob(training, paths, left)
            train_on_cluster([job], training.settings.cluster, reporter)
            return
        num_jobs = choose_num_jobs(training.settings.jobs, training.device, len(left))
        if num_jobs > 1:
            train_in_processes(training, left, paths, reporter, num_jobs)
            return
        for fold in left:
            training.train(fold, paths.fold(fold), reporter)


def _new_config(spec: RunSpec, inputs: InputPaths) -> RunConfig:
    return RunConfig(
        run=spec.name,
        preset=spec.preset,
        code_version=__version__,
        digits_sha256=load_manifest(inputs).digits_sha256,
        folds_sha256=sha256(inputs.folds),
        libraries=library_versions(),
        settings=spec.settings.model_dump(),
        recipe=spec.recipe,
        network_sha256=spec.network,
    )


def _open_run(asked: RunConfig, paths: RunPaths, *, force: bool) -> RunConfig:
    """Make sure the folder holds this run and no other, or nothing yet; return what it is."""
    remove_leftovers(paths.folder)
    if paths.ensemble.exists():
        raise UserError(f"run {asked.run} is an ensemble; give this one another name with RUN=.")
    if force:
        for path in (paths.config, paths.oof, paths.test_probs):
            path.unlink(missing_ok=True)
        for fold in (ALL_DATA, *range(NUM_FOLDS)):
            shutil.rmtree(paths.fold(fold).folder, ignore_errors=True)
    try:
        config = read_record(paths.config, RunConfig, mend=RETRAIN)
    except FileNotFoundError:
        if paths.oof.exists() and not paths.histories():
            raise UserError(
                f"{paths.folder} holds an ensemble whose record is gone; make it again by "
                f'`make ensemble RUN={asked.run}` with its RUNS="…", or delete the folder.'
            ) from None
        write_record(paths.config, asked)
        return asked
    changes = spec_differences(config, specify_again(asked))
    changes += data_differences(config, asked.digits_sha256, asked.folds_sha256)
    if changes:
        raise UserError(
            f"run {asked.run} was made with other settings or data: {'; '.join(changes)}. "
            "Give it another name with RUN=, or start it again: `make train FORCE=1` with the same "
            "knobs."
        )
    return config
