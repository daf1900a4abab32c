"""How long the presets take to the score that the notebooks' recipe ends at."""

import csv
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from rich.console import Group
from rich.table import Table
from torch import nn

from pipeline.bench.figures import Conditions, new_table
from pipeline.console import OnlyBars, Reporter
from pipeline.data.competition import Competition, get_competition
from pipeline.data.files import Record
from pipeline.data.preprocessing import Preprocessing
from pipeline.runs.scoring import Accuracy, count_correct
from pipeline.runs.spec import RunSpec
from pipeline.runs.workspace import Workspace
from pipeline.training.fold import FoldTraining
from pipeline.training.inference import predict_logits
from pipeline.training.run import prepare_training, train_run

NOTEBOOK = "notebook"
EPOCHS = 15
_BATCH_SIZE = 100
_DROPOUT = 0.25
_LEARNING_RATE = 1e-3


class Curve(Record):
    """A training's way to its score.

    Attributes:
        name: "notebook", or the preset's name.
        seed: Its seed.
        seconds: From the start to each epoch's end; the last one is the whole training.
        correct: Validation images classified correctly at each epoch's end, of `total`.
    """

    name: str
    seed: int
    seconds: tuple[float, ...]
    correct: tuple[int, ...]
    total: int

    def first_at(self, correct: int) -> float | None:
        """Return the seconds to the first epoch's end with so many correct, or None."""
        epochs = zip(self.seconds, self.correct, strict=True)
        return next((seconds for seconds, found in epochs if found >= correct), None)


class TimeToScore(Conditions):
    """All trainings on a competition's digits: for each seed the notebook's, then the presets'.

    The precision is that of the presets; the notebook computes in float32.
    """

    competition: str
    curves: tuple[Curve, ...]


def measure_time_to_score(
    rounds: Sequence[Mapping[str, RunSpec]],
    workspace: Workspace,
    reporter: Reporter,
    *,
    on_seed: Callable[[TimeToScore], None] = lambda figures: None,
    notebook_epochs: int = EPOCHS,
) -> TimeToScore:
    """Train the notebook's recipe and every preset, seed after seed.

    A preset's time is that of its whole `train_run`: files, validations and all. The notebook's is
    that of its training alone. Nothing is written in the workspace.

    There is a round for each seed: the presets with that seed, of validation fold 0, by name. After
    each, `on_seed` gets the figures so far: an hour's work is kept.

    Raises:
        UserError: Data or folds are missing.
    """
    curves: list[Curve] = []
    for specs in rounds:
        training = prepare_training(next(iter(specs.values())), workspace)
        curves.append(train_notebook(training, reporter, notebook_epochs))
        curves += [_time_preset(name, spec, workspace, reporter) for name, spec in specs.items()]
        slug = training.competition.slug
        figures = TimeToScore(device=str(training.device), competition=slug, curves=tuple(curves))
        on_seed(figures)
    return figures


def train_notebook(training: FoldTraining, reporter: Reporter, num_epochs: int = EPOCHS) -> Curve:
    """Train as the competition's notebooks do, in float32 with Adam, without augmentation.

    The presets are timed against it, so nothing is tuned and nothing held back: the images lie on
    the device and batches are cut from them by index, which is faster than the notebooks'
    `DataLoader`. The curve's seconds are those of training alone: they stand still in validation.

    It is on the training's images, but for fold 0, its device and seed; nothing else of it is used.
    """
    held_out, seed = training.row_folds == 0, training.settings.seed
    train, valid = training.images.take(~held_out), training.images.take(held_out)
    float32 = replace(training.device, dtype=torch.float32)
    name = f"{NOTEBOOK}, seed {seed}"
    start = time.perf_counter()
    torch.manual_seed(seed)
    preprocessing = Preprocessing.of(train.images)
    images = preprocessing(torch.from_numpy(train.images).to(float32.torch))
    labels = torch.from_numpy(train.labels).to(float32.torch, torch.int64)
    network = notebook_network(training.competition).to(float32.torch)
    optimizer = torch.optim.Adam(network.parameters(), lr=_LEARNING_RATE)
    elapsed = time.perf_counter() - start
    seconds, correct = [], []
    with reporter.bar(name, num_epochs * len(train)) as bar:
        for epoch in range(1, num_epochs + 1):
            start = time.perf_counter()
            network.train()
            loss = torch.zeros(())
            order = torch.randperm(len(labels)).to(float32.torch)
            for chosen in torch.split(order, _BATCH_SIZE):
                loss = F.cross_entropy(network(images[chosen]), labels[chosen])
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                bar.advance(len(chosen))
            loss.item()  # the device has done what it was given
            elapsed += time.perf_counter() - start
            logits = predict_logits(network, valid.images, preprocessing, float32, batch_size=1000)
            accuracy = count_correct(logits, valid.labels)
            seconds.append(elapsed)
            correct.append(accuracy.correct)
            reporter.line(
                f"{name}: epoch {epoch}/{num_epochs}  valid accuracy {accuracy}  "
                f"{elapsed:.1f} s so far"
            )
    return Curve(
        name=NOTEBOOK, seed=seed, seconds=tuple(seconds), correct=tuple(correct), total=len(valid)
    )


def notebook_network(competition: Competition) -> nn.Sequential:
    """Return `dropout_cnn` as the notebooks write it: PyTorch's own layers, ReLU before pooling."""
    channels, height, width = competition.image_shape
    pooled = [((side - 4) // 2 - 4) // 2 for side in (height, width)]
    return nn.Sequential(
        *(nn.Conv2d(channels, 64, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(_DROPOUT)),
        *(nn.Conv2d(64, 128, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(_DROPOUT)),
        nn.Flatten(),
        *(nn.Linear(128 * pooled[0] * pooled[1], 64), nn.ReLU(), nn.Dropout(_DROPOUT)),
        *(nn.Linear(64, 32), nn.ReLU(), nn.Dropout(_DROPOUT)),
        nn.Linear(32, competition.num_classes),
    )


def _time_preset(name: str, spec: RunSpec, workspace: Workspace, reporter: Reporter) -> Curve:
    """Train a preset in a folder of its own that shares the data."""
    competition, seed = get_competition(spec.settings.competition), spec.settings.seed
    with tempfile.TemporaryDirectory() as folder:
        own = Workspace(Path(folder))
        link = own.input(competition).folder
        link.parent.mkdir(parents=True)
        link.symlink_to(workspace.input(competition).folder.resolve())
        start = time.perf_counter()
        train_run(spec, own, _OnlyEpochs(reporter, f"{name}, seed {seed}"))
        whole = time.perf_counter() - start
        with own.run(spec.name).fold(0).history.open(encoding="utf-8") as file:
            epochs = list(csv.DictReader(file))
    # What comes before and after the epochs counts as if it all came before.
    elapsed = np.cumsum([float(epoch["elapsed_s"]) for epoch in epochs])
    return Curve(
        name=name,
        seed=seed,
        seconds=tuple((elapsed + whole - elapsed[-1]).tolist()),
        correct=tuple(int(epoch["valid_correct"]) for epoch in epochs),
        total=int(epochs[0]["valid_total"]),
    )


class _OnlyEpochs(OnlyBars):
    """Passes on a training's epochs and bars, under its name."""

    def line(self, text: str) -> None:
        if text.startswith("epoch"):
            self._reporter.line(f"{self._label}: {text}")


def time_to_score_tables(figures: TimeToScore) -> Group:
    """Return every training, and what they come to."""
    return Group(_curves_table(figures), _speedups_table(figures))


def _curves_table(figures: TimeToScore) -> Table:
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
        accuracy = Accuracy(curve.correct[-1], curve.total)
        numbers = (str(accuracy), f"{len(curve.seconds)}", f"{curve.seconds[-1]:,.0f}")
        table.add_row(str(curve.seed), curve.name, *numbers)
    return table


def speedup(curve: Curve, notebook: Curve) -> float | None:
    """Return how many times faster a whole training is than the notebook's of the same seed.

    None if it ends below the accuracy at which the notebook's ends.
    """
    reached = curve.correct[-1] >= notebook.correct[-1]
    return notebook.seconds[-1] / curve.seconds[-1] if reached else None


def first_speedup(curve: Curve, notebook: Curve) -> float | None:
    """Return the same for the first epoch's end with the notebook's final accuracy, in both.

    To stop there one would have to know the validation accuracy: a figure of how fast the network
    learns, not of how long a training takes.
    """
    mine, theirs = (each.first_at(notebook.correct[-1]) for each in (curve, notebook))
    assert theirs is not None
    return None if mine is None else theirs / mine


def _speedups_table(figures: TimeToScore) -> Table:
    table = new_table(
        "Times faster than the notebook, to its accuracy at the end",
        "median of the seeds, with their range; whole: both trainings to their ends; first: both "
        "to their first epoch's end with that accuracy",
        ("preset",),
        ("seeds that reach it", "whole", "first"),
    )
    notebooks = {curve.seed: curve for curve in figures.curves if curve.name == NOTEBOOK}
    for name in dict.fromkeys(curve.name for curve in figures.curves if curve.name != NOTEBOOK):
        pairs = [(each, notebooks[each.seed]) for each in figures.curves if each.name == name]
        whole = [speedup(*pair) for pair in pairs]
        first = [first_speedup(*pair) for pair in pairs]
        reached = sum(each is not None for each in whole)
        table.add_row(name, f"{reached} of {len(pairs)}", _range(whole), _range(first))
    return table


def _range(values: Sequence[float | None]) -> str:
    found = [value for value in values if value is not None]
    if not found:
        return "-"
    return f"{statistics.median(found):.1f} ({min(found):.1f}-{max(found):.1f})"
