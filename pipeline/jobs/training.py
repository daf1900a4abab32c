"""Train one run: a network per fold asked for, resumable after every epoch."""

import itertools
import shutil
from dataclasses import dataclass
from importlib import metadata

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from pipeline import __version__
from pipeline.artifacts.digits_cache import load_digits, load_manifest
from pipeline.artifacts.files import locked, remove_leftovers, sha256
from pipeline.artifacts.paths import FoldPaths, InputPaths, RunPaths, Workspace
from pipeline.artifacts.probs import Probs, load_probs, save_probs
from pipeline.artifacts.records import FoldFacts, RunConfig, read_record, write_record
from pipeline.artifacts.tables import read_folds, write_history
from pipeline.artifacts.weights import Network, load_checkpoint, save_checkpoint, save_network
from pipeline.augment.engines import augmented_epochs
from pipeline.augment.epochs import EpochPlan
from pipeline.augment.registry import check_recipe, deserialise
from pipeline.competition import Competition, get_competition
from pipeline.engine.device import Device, choose_device, host_peak_bytes
from pipeline.engine.prediction import softmax
from pipeline.engine.training import EpochNumbers, Trainer
from pipeline.errors import UserError
from pipeline.labelled_images import LabelledImages
from pipeline.models import check_model_name, create_model, has_dropout
from pipeline.models.summary import summarise
from pipeline.preprocessing import Preprocessing
from pipeline.randomness import derive_seed
from pipeline.reporting import Reporter
from pipeline.runs import (
    RunSpec,
    data_differences,
    fingerprint,
    join_out_of_fold,
    out_of_fold_accuracy,
    spec_differences,
)
from pipeline.scoring import Accuracy, count_correct, describe_expected
from pipeline.settings import Settings

_LIBRARIES = ("torch", "albumentations", "opencv-python-headless", "numpy")


def train_run(
    spec: RunSpec, workspace: Workspace, reporter: Reporter, *, force: bool = False
) -> Accuracy:
    """Train the folds asked for that are not finished yet.

    Args:
        spec: The run.
        workspace: Where everything lies.
        reporter: Hears of every epoch.
        force: Throw away what the run has so far and start again.

    Returns:
        The accuracy on the validation images of all finished folds.

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
        training = _Training(
            settings=settings,
            recipe=spec.recipe,
            fingerprint=fingerprint(config),
            competition=competition,
            images=LabelledImages(
                digits.train_images, digits.train_labels, np.arange(len(row_folds))
            ),
            row_folds=row_folds,
            device=device,
            reporter=reporter,
        )
        reporter.line(
            f"{spec.name}: {settings.model}, recipe {settings.augment}, "
            f"{settings.epochs} epochs, {device}"
        )
        for fold in settings.fold_numbers:
            training.run_fold(fold, paths.fold(fold))
        out_of_fold = join_out_of_fold(paths)
        save_probs(paths.oof, out_of_fold)
        accuracy = out_of_fold_accuracy(out_of_fold, digits.train_labels)
        if (num_folds := len(paths.finished_folds())) > 1:
            reporter.line(f"{num_folds} folds, out of fold: accuracy {accuracy}")
        reporter.line(describe_expected(accuracy, len(digits.test_images), num_folds))
        return accuracy


def _open_run(spec: RunSpec, paths: RunPaths, inputs: InputPaths, *, force: bool) -> RunConfig:
    """Make sure the folder holds this run and no other, or nothing yet."""
    remove_leftovers(paths.folder)
    if paths.ensemble.exists():
        raise UserError(f"run {spec.name} is an ensemble; give this one another name with RUN=.")
    if force:
        for path in (paths.config, paths.oof, paths.test_probs):
            path.unlink(missing_ok=True)
        for folder in paths.folder.glob("fold*"):
            shutil.rmtree(folder)
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


@dataclass(frozen=True)
class _Training:
    """The training of a run's folds."""

    settings: Settings
    recipe: str
    fingerprint: str
    competition: Competition
    images: LabelledImages
    row_folds: npt.NDArray[np.int64]
    device: Device
    reporter: Reporter

    def run_fold(self, fold: int, paths: FoldPaths) -> None:
        """Train one fold from where it is to its end, unless it is finished."""
        settings, reporter = self.settings, self.reporter
        if paths.oof.exists() and load_probs(paths.oof).made_from == self.fingerprint:
            reporter.line(f"fold {fold}: finished before, nothing to train")
            return
        held_out = np.isin(self.row_folds, settings.held_out(fold))
        training_set, valid = self.images.take(~held_out), self.images.take(held_out)
        reporter.line(
            f"fold {fold}: {len(training_set):,} training and {len(valid):,} validation images"
        )
        plan = EpochPlan(training_set, settings.seed, fold, settings.batch_size)
        epochs, engine = augmented_epochs(
            plan,
            self.recipe,
            engine=settings.augment_engine,
            fuse=settings.fuse,
            device=self.device.torch,
            num_workers=settings.num_workers,
        )
        if fold == settings.fold_numbers[0]:
            reporter.line(f"augmentation: {engine}")
        trainer = Trainer(
            self._new_model(fold),
            Preprocessing.of(training_set.images),
            settings,
            self.device,
            steps_per_epoch=epochs.steps_per_epoch,
            stream=fold,
        )
        self._restore(trainer, paths)
        batches = epochs.iterate(trainer.num_epochs_done, settings.epochs)
        while trainer.num_epochs_done < settings.epochs:
            label = f"epoch {trainer.num_epochs_done + 1}/{settings.epochs}"
            with reporter.bar(label, len(training_set)) as bar:
                numbers = trainer.run_epoch(
                    itertools.islice(batches, epochs.steps_per_epoch), valid, bar.advance
                )
            save_checkpoint(paths.checkpoint, {**trainer.state(), "fingerprint": self.fingerprint})
            write_history(paths.history, [each.as_dict() for each in trainer.history])
            reporter.line(_epoch_line(numbers, settings.epochs))
        accuracy = self._finish(trainer, valid, paths)
        reporter.line(f"fold {fold}: validation accuracy {accuracy}")

    def _new_model(self, fold: int) -> nn.Module:
        settings, shape = self.settings, self.competition.image_shape
        torch.manual_seed(derive_seed(settings.seed, "weights", fold))
        model = create_model(settings.model, shape, self.competition.num_classes, settings.dropout)
        if fold == settings.fold_numbers[0]:
            self.reporter.line(summarise(model, shape))
            if settings.dropout > 0 and not has_dropout(model):
                self.reporter.line(f"{settings.model} has no dropout; that setting is not used")
        return model

    def _restore(self, trainer: Trainer, paths: FoldPaths) -> None:
        """Go on from the fold's checkpoint, if there is one."""
        try:
            state = load_checkpoint(paths.checkpoint)
        except FileNotFoundError:
            return
        remedy = "delete it, or start the run again with FORCE=1"
        if state.get("fingerprint") != self.fingerprint:
            raise UserError(
                f"{paths.checkpoint} is of other settings, recipe or data than this run; {remedy}."
            )
        try:
            trainer.restore(state)
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(
                f"{paths.checkpoint} does not fit the network ({reason}); {remedy}."
            ) from None
        self.reporter.line(f"going on after epoch {trainer.num_epochs_done}")

    def _finish(self, trainer: Trainer, valid: LabelledImages, paths: FoldPaths) -> Accuracy:
        """Write what the fold leaves: history, weights and, last, the out-of-fold probabilities."""
        facts = {
            "model": self.settings.model,
            "image_shape": list(self.competition.image_shape),
            "num_classes": self.competition.num_classes,
            "preprocessing": trainer.preprocessing.as_dict(),
            "fingerprint": self.fingerprint,
        }
        probs = softmax(trainer.predict_logits(valid.images))
        write_history(paths.history, [each.as_dict() for each in trainer.history])
        write_record(paths.facts, self._machine())
        save_network(paths.weights, Network(trainer.final_model.state_dict(), facts))
        save_probs(paths.oof, Probs(valid.rows, probs, self.fingerprint))
        return count_correct(probs, valid.labels)

    def _machine(self) -> FoldFacts:
        return FoldFacts(
            device=str(self.device),
            host_peak_bytes=host_peak_bytes(),
            device_peak_bytes=self.device.peak_bytes(),
        )


def _epoch_line(numbers: EpochNumbers, num_epochs: int) -> str:
    width = len(str(num_epochs))
    return (
        f"epoch {numbers.epoch:{width}}/{num_epochs}  train loss {numbers.train_loss:.4f}  "
        f"valid loss {numbers.valid_loss:.4f}  valid accuracy {numbers.valid}  "
        f"{numbers.elapsed_s:.1f} s  {numbers.images_per_s:,.0f} images/s"
    )
