"""Train one network of a run, resumable after every epoch."""

import itertools
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import torch

from pipeline.augment.engines import augmented_epochs
from pipeline.augment.epochs import EpochPlan, Epochs
from pipeline.augment.remarks import remarks
from pipeline.console import Reporter
from pipeline.data.competition import Competition
from pipeline.data.files import write_record
from pipeline.data.folds import ALL_DATA
from pipeline.data.labelled_images import LabelledImages
from pipeline.data.preprocessing import Preprocessing
from pipeline.data.randomness import derive_seed
from pipeline.errors import UserError
from pipeline.networks import create_model, has_dropout
from pipeline.networks.layers import Classifier
from pipeline.networks.summary import summarise
from pipeline.runs.history import EpochNumbers, write_history
from pipeline.runs.kept import NUM_KEPT
from pipeline.runs.probs import Probs, save_probs
from pipeline.runs.records import FoldFacts
from pipeline.runs.results import check_fold
from pipeline.runs.scoring import NO_VALIDATION, Accuracy, count_correct
from pipeline.runs.weights import Network, load_checkpoint, save_checkpoint, save_network
from pipeline.runs.workspace import FoldPaths
from pipeline.settings.fields import Settings
from pipeline.training.device import Device, host_peak_bytes
from pipeline.training.inference import softmax
from pipeline.training.trainer import Diverged, Trainer


@dataclass(frozen=True)
class FoldTraining:
    """The training of any fold of a run; plain values, so it can be sent to another process."""

    settings: Settings
    recipe: str  # serialised
    fingerprint: str  # `runs.fingerprint` of the run
    competition: Competition
    images: LabelledImages  # all rows of `train.csv`
    row_folds: npt.NDArray[np.int64]  # (N,), the fold of each of them
    device: Device

    def is_finished(self, paths: FoldPaths) -> bool:
        """Say whether there is nothing left to train or, from the last checkpoint, to write."""
        try:
            return check_fold(paths) == self.fingerprint
        except (FileNotFoundError, UserError):
            return False

    @property
    def what_to_lower(self) -> str:
        """What to do if there is no memory to train with."""
        advice = "end other programs that use it"
        if (size := self.settings.batch_size) > 1:
            advice += f', or take smaller batches (SET="batch_size={size // 2}", another run)'
        if len(self.settings.fold_numbers) > 1:
            advice += ", or train one fold at a time (JOBS=1)"
        return f"{advice}; finished epochs are kept"

    def describe(self, reporter: Reporter) -> None:
        """Show the network, layer by layer, and what augments the images."""
        settings, model = self.settings, self._new_model(0)
        reporter.line(f"augmentation: {self._epochs(self.images, 0)[1]}")
        for remark in remarks(self.recipe, self.competition):
            reporter.line(f"note: {remark}")
        reporter.line(summarise(model, self.competition.image_shape))
        if settings.dropout > 0 and not has_dropout(model):
            reporter.line(f"{settings.model} has no dropout; that setting is not used")

    def measure_speed(self) -> float:
        """Return how many images per second a training takes here, by its first ten steps or so."""
        trainer, epochs = self.new_trainer(0, self.images)
        batches = epochs.iterate(0, self.settings.epochs)
        nothing = self.images.take(np.zeros(len(self.images), dtype=np.bool_))
        num_steps = epochs.steps_per_epoch * self.settings.epochs
        if num_first := min(3, num_steps // 2):  # they also prepare memory and kernels
            trainer.run_epoch(itertools.islice(batches, num_first), nothing)
        steps = itertools.islice(batches, min(10, num_steps - num_first))
        return trainer.run_epoch(steps, nothing).images_per_s

    def train(self, fold: int, paths: FoldPaths, reporter: Reporter) -> None:
        """Train one fold, or `ALL_DATA`, from its last checkpoint to its end.

        A checkpoint that is damaged or of another run, or a loss that diverges, raises a UserError.
        """
        settings = self.settings
        held_out = np.isin(self.row_folds, settings.held_out(fold))
        training_set, valid = self.images.take(~held_out), self.images.take(held_out)
        sizes = f"{len(training_set):,} training and {len(valid):,} validation images"
        reporter.line(f"{fold_name(fold)}: {sizes}")
        trainer, epochs = self.new_trainer(fold, training_set)
        self._restore(trainer, paths, reporter)
        batches = epochs.iterate(trainer.num_epochs_done, settings.epochs)
        while trainer.num_epochs_done < settings.epochs:
            label = f"epoch {trainer.num_epochs_done + 1}/{settings.epochs}"
            with reporter.bar(label, len(training_set)) as bar:
                steps = itertools.islice(batches, epochs.steps_per_epoch)
                try:
                    numbers = trainer.run_epoch(steps, valid, bar.advance)
                except Diverged as error:
                    raise self._explain(error, fold, epochs) from None
            save_checkpoint(paths.checkpoint, {**trainer.state(), "fingerprint": self.fingerprint})
            write_history(paths.history, trainer.history)
            reporter.line(_epoch_line(numbers, settings.epochs))
        accuracy = self._finish(trainer, valid, paths)
        what = f"validation accuracy {accuracy}" if accuracy else NO_VALIDATION
        reporter.line(f"{fold_name(fold)}: {what}")

    def _explain(self, error: Diverged, fold: int, epochs: Epochs) -> UserError:
        """Say where a loss that is no number came from, and what to change."""
        settings, step = self.settings, error.step
        where = f"{fold_name(fold)}, {error.where}"
        if step is not None:
            # The batch is a function of seed, epoch and rows: it comes out again as it was.
            again = epochs.iterate(error.epoch - 1, error.epoch)
            images, _ = next(itertools.islice(again, step, None))
            if not images.isfinite().all():
                return UserError(
                    f"{where}: the augmentation makes pixels that are no numbers; look for a limit "
                    f"that is none in the recipe {settings.augment!r} of "
                    "pipeline/augment/recipes.py."
                )
        if (error.epoch, step) == (1, 0):
            return UserError(
                f"{where}: the loss is no number before anything is learned; look in the network "
                f"{settings.model!r} of pipeline/networks/ for what makes none of sound images."
            )
        rate = settings.learning_rate
        return UserError(
            f"{where}: the loss is no number any more, the training has diverged; lower the "
            f'learning rate of {rate:g}, as in SET="learning_rate={rate / 3:.2g}".'
        )

    def new_trainer(self, fold: int, training_set: LabelledImages) -> tuple[Trainer, Epochs]:
        """Return a network at the start of its training on these images, and its batches.

        The fold, or `ALL_DATA`, decides weights, order and dropout, not the images.
        """
        epochs, _ = self._epochs(training_set, fold)
        trainer = Trainer(
            self._new_model(fold),
            Preprocessing.of(training_set.images),
            self.settings,
            self.device,
            steps_per_epoch=epochs.steps_per_epoch,
            stream=fold,
        )
        return trainer, epochs

    def _epochs(self, training_set: LabelledImages, fold: int) -> tuple[Epochs, str]:
        settings = self.settings
        return augmented_epochs(
            EpochPlan(training_set, settings.seed, fold, settings.batch_size),
            self.recipe,
            engine=settings.augment_engine,
            fuse=settings.fuse,
            device=self.device.torch,
            num_workers=settings.num_workers,
        )

    def _new_model(self, fold: int) -> Classifier:
        settings, competition = self.settings, self.competition
        torch.manual_seed(derive_seed(settings.seed, "weights", fold))
        return create_model(
            settings.model, competition.image_shape, competition.num_classes, settings.dropout
        )

    def _restore(self, trainer: Trainer, paths: FoldPaths, reporter: Reporter) -> None:
        """Go on from the fold's checkpoint, if there is one."""
        try:
            state = load_checkpoint(paths.checkpoint)
        except FileNotFoundError:
            return
        run = paths.folder.parent.name
        remedy = f"delete it, or start the run again: `make train RUN={run} FORCE=1`"
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
        reporter.line(f"going on after epoch {trainer.num_epochs_done}")

    def _finish(self, trainer: Trainer, valid: LabelledImages, paths: FoldPaths) -> Accuracy | None:
        """Write what the fold leaves: history, weights and, last, the out-of-fold probabilities."""
        facts = {
            "model": self.settings.model,
            "image_shape": list(self.competition.image_shape),
            "num_classes": self.competition.num_classes,
            "preprocessing": asdict(trainer.preprocessing),
            "views": self.settings.views,
            "fingerprint": self.fingerprint,
        }
        predicted = valid if len(valid) else self.images.take(self.images.rows < NUM_KEPT)
        views = self.settings.views
        probs = softmax(trainer.predict_logits(predicted.images, views=views))
        kept = Probs(predicted.rows, probs, self.fingerprint)
        write_history(paths.history, trainer.history)
        machine = FoldFacts(
            device=str(self.device),
            num_threads=trainer.threads.constant,
            host_peak_bytes=host_peak_bytes(),
            device_peak_bytes=self.device.peak_bytes(),
        )
        write_record(paths.facts, machine)
        save_network(paths.weights, Network(trainer.final_model.state_dict(), facts))
        if not len(valid):
            save_probs(paths.kept, kept)
            save_probs(paths.oof, Probs(valid.rows, probs[:0], self.fingerprint))
            return None
        save_probs(paths.oof, kept)
        return count_correct(probs, valid.labels)


def fold_name(fold: int) -> str:
    """Return what a training is called: "fold 3", or "all data"."""
    return "all data" if fold == ALL_DATA else f"fold {fold}"


def _epoch_line(numbers: EpochNumbers, num_epochs: int) -> str:
    width = len(str(num_epochs))
    valid = NO_VALIDATION
    if numbers.valid_total:
        valid = f"valid loss {numbers.valid_loss:.4f}  valid accuracy {numbers.valid}"
    return (
        f"epoch {numbers.epoch:{width}}/{num_epochs}  train loss {numbers.train_loss:.4f}  "
        f"{valid}  {numbers.elapsed_s:.1f} s  {numbers.images_per_s:,.0f} images/s"
    )
