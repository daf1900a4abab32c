"""How long the presets take to the score that the notebooks' recipe ends at."""

import csv
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
from rich.console import Group
from rich.table import Table

from pipeline.bench.figures import Conditions, Figures
from pipeline.bench.notebook import EPOCHS, train_notebook
from pipeline.bench.tables import new_table
from pipeline.console import Bar, Reporter
from pipeline.data.competition import Competition
from pipeline.data.digits_cache import load_digits
from pipeline.data.folds import read_folds
from pipeline.data.labelled_images import LabelledImages
from pipeline.runs.scoring import Accuracy
from pipeline.runs.spec import RunSpec
from pipeline.runs.workspace import Workspace
from pipeline.training.device import Device
from pipeline.training.run import train_run

NOTEBOOK = "notebook"


class Curve(Figures):
    """One training.

    Attributes:
        name: "notebook", or the preset's name.
        seed: Its seed.
        seconds: From the start to each epoch's end; the last one is the whole training.
        correct: Validation images classified correctly at each epoch's end.
        total: Validation images.
    """

    name: str
    seed: int
    seconds: tuple[float, ...]
    correct: tuple[int, ...]
    total: int

    @property
    def accuracy(self) -> Accuracy:
        """The accuracy at the end."""
        return Accuracy(self.correct[-1], self.total)

    def first_at(self, correct: int) -> float | None:
        """Return the seconds to the first epoch's end with so many correct, or None."""
        reached = (
            s for s, found in zip(self.seconds, self.correct, strict=True) if found >= correct
        )
        return next(reached, None)


class TimeToScoreFigures(Figures):
    """All trainings, on the same training and validation images.

    Attributes:
        conditions: Device and precision of the presets; the notebook computes in float32.
        competition: Its slug.
        curves: For each seed the notebook, then the presets.
    """

    conditions: Conditions
    competition: str
    curves: tuple[Curve, ...]

    def notebook(self, seed: int) -> Curve:
        """The notebook's training with that seed."""
        return next(c for c in self.curves if (c.name, c.seed) == (NOTEBOOK, seed))

    def speedup(self, curve: Curve) -> float | None:
        """Return how many times faster than the notebook's a whole training is.

        None if it ends below the accuracy at which the notebook's of the same seed ends.
        """
        notebook = self.notebook(curve.seed)
        if curve.correct[-1] < notebook.correct[-1]:
            return None
        return notebook.seconds[-1] / curve.seconds[-1]

    def first_speedup(self, curve: Curve) -> float | None:
        """Return the same for the first epoch's end with the notebook's final accuracy, in both.

        To stop there one would have to know the validation accuracy: a figure of how fast the
        network learns, not of how long a training takes.
        """
        notebook = self.notebook(curve.seed)
        target = notebook.correct[-1]
        mine, theirs = curve.first_at(target), notebook.first_at(target)
        assert theirs is not None
        return None if mine is None else theirs / mine


def measure_time_to_score(
    rounds: Sequence[Mapping[str, RunSpec]],
    competition: Competition,
    workspace: Workspace,
    device: Device,
    reporter: Reporter,
    *,
    on_seed: Callable[[TimeToScoreFigures], None] = lambda figures: None,
    notebook_epochs: int = EPOCHS,
) -> TimeToScoreFigures:
    """Train the notebook's recipe and every preset, seed after seed.

    A preset's time is that of its whole `train_run`: files, validations and all. The notebook's is
    that of its training alone.

    Args:
        rounds: For each seed, the presets with that seed, of validation fold 0, by name.
        competition: Whose digits to train on.
        workspace: Has its data and folds; nothing is written there.
        device: Where to compute.
        reporter: Hears of every epoch.
        on_seed: Called with the figures so far when a round is done: an hour's work is kept.
        notebook_epochs: Epochs of the notebook's recipe.

    Raises:
        UserError: Data or folds are missing.
    """
    inputs = workspace.input(competition)
    digits = load_digits(inputs)
    row_folds = read_folds(inputs.folds, digits.train_labels)
    everything = LabelledImages(digits.train_images, digits.train_labels, np.arange(len(row_folds)))
    train, valid = everything.take(row_folds != 0), everything.take(row_folds == 0)
    curves: list[Curve] = []
    for specs in rounds:
        (seed,) = {spec.settings.seed for spec in specs.values()}
        curves.append(
            _time_notebook(
                train, valid, competition, device, reporter, seed=seed, num_epochs=notebook_epochs
            )
        )
        for name, spec in specs.items():
            curves.append(_time_preset(name, spec, competition, workspace, reporter))
        figures = TimeToScoreFigures(
            conditions=Conditions.of(device), competition=competition.slug, curves=tuple(curves)
        )
        on_seed(figures)
    return figures


def _time_notebook(
    train: LabelledImages,
    valid: LabelledImages,
    competition: Competition,
    device: Device,
    reporter: Reporter,
    *,
    seed: int,
    num_epochs: int,
) -> Curve:
    seconds, correct = [], []
    with reporter.bar(f"notebook, seed {seed}", num_epochs * len(train)) as bar:
        for epoch in train_notebook(
            train,
            valid,
            competition,
            device,
            seed=seed,
            num_epochs=num_epochs,
            on_batch=bar.advance,
        ):
            seconds.append(epoch.seconds)
            correct.append(epoch.valid.correct)
            reporter.line(
                f"notebook, seed {seed}: epoch {len(seconds)}/{num_epochs}  "
                f"valid accuracy {epoch.valid}  {epoch.seconds:.1f} s so far"
            )
    return Curve(
        name=NOTEBOOK,
        seed=seed,
        seconds=tuple(seconds),
        correct=tuple(correct),
        total=len(valid),
    )


def _time_preset(
    name: str, spec: RunSpec, competition: Competition, workspace: Workspace, reporter: Reporter
) -> Curve:
    with tempfile.TemporaryDirectory() as folder:
        own = Workspace(Path(folder))
        link = own.input(competition).folder
        link.parent.mkdir(parents=True)
        link.symlink_to(workspace.input(competition).folder.resolve())
        start = time.perf_counter()
        train_run(spec, own, _EpochsOnly(f"{name}, seed {spec.settings.seed}", reporter))
        whole = time.perf_counter() - start
        with own.run(spec.name).fold(0).history.open(encoding="utf-8") as file:
            epochs = list(csv.DictReader(file))
    # What comes before and after the epochs counts as if it all came before.
    elapsed = np.cumsum([float(epoch["elapsed_s"]) for epoch in epochs])
    return Curve(
        name=name,
        seed=spec.settings.seed,
        seconds=tuple((elapsed + whole - elapsed[-1]).tolist()),
        correct=tuple(int(epoch["valid_correct"]) for epoch in epochs),
        total=int(epochs[0]["valid_total"]),
    )


class _EpochsOnly:
    """Passes a training's epochs on, with its name before them."""

    def __init__(self, name: str, reporter: Reporter) -> None:
        self._name, self._reporter = name, reporter

    def line(self, text: str) -> None:
        if text.startswith("epoch"):
            self._reporter.line(f"{self._name}: {text}")

    def bar(self, label: str, total: int) -> AbstractContextManager[Bar]:
        return self._reporter.bar(f"{self._name}, {label}", total)


def time_to_score_tables(figures: TimeToScoreFigures) -> Group:
    """Return every training, and what they come to."""
    return Group(_curves_table(figures), _speedups_table(figures))


def _curves_table(figures: TimeToScoreFigures) -> Table:
    table = new_table(
        f"Trainings on {figures.competition}, {figures.conditions}",
        "notebook: dropout_cnn in float32, no augmentation, Adam at 0.001, batches of 100, its "
        "training alone; presets: the whole of `make train`, validations included; s: seconds",
        ("seed", "training"),
        ("validation accuracy at the end", "epochs", "s"),
    )
    for curve in figures.curves:
        if curve.name == NOTEBOOK:
            table.add_section()
        table.add_row(
            str(curve.seed),
            curve.name,
            str(curve.accuracy),
            str(len(curve.seconds)),
            f"{curve.seconds[-1]:,.0f}",
        )
    return table


def _speedups_table(figures: TimeToScoreFigures) -> Table:
    table = new_table(
        "Times faster than the notebook, to its accuracy at the end",
        "median of the seeds, with their range; whole: both trainings to their ends; first: both "
        "to their first epoch's end with that accuracy",
        ("preset",),
        ("seeds that reach it", "whole", "first"),
    )
    presets = {curve.name: None for curve in figures.curves if curve.name != NOTEBOOK}
    for name in presets:
        curves = [curve for curve in figures.curves if curve.name == name]
        whole = [figures.speedup(curve) for curve in curves]
        reached = sum(each is not None for each in whole)
        first = [figures.first_speedup(curve) for curve in curves]
        table.add_row(name, f"{reached} of {len(curves)}", _range(whole), _range(first))
    return table


def _range(values: list[float | None]) -> str:
    found = [value for value in values if value is not None]
    if not found:
        return "-"
    return f"{statistics.median(found):.1f} ({min(found):.1f}-{max(found):.1f})"
