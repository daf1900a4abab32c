"""Learning curves: loss and validation accuracy over the epochs."""

from collections.abc import Callable

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, MaxNLocator, NullFormatter

from pipeline.report.charts import FIRST, SECOND, draw
from pipeline.report.evidence import Evidence
from pipeline.report.sprites import SpriteSheet
from pipeline.report.templating import render
from pipeline.runs.history import EpochNumbers

_LONGEST_TABLE = 150
"""Rows of numbers printed below the curves; beyond, `history.csv` is named instead."""


def section(evidence: Evidence, sheet: SpriteSheet) -> Markup:
    """Return the section; it shows no digits."""
    named = [
        (training.config.run, fold.name, fold.history)
        for training in evidence.trainings
        for fold in training.folds
    ]
    histories = [history for _, _, history in named]
    return render(
        "curves.html",
        loss=_loss_chart(histories, validated=evidence.is_validated),
        accuracy=_accuracy_chart(histories) if evidence.is_validated else None,
        num_networks=len(histories),
        several_runs=len(evidence.trainings) > 1,
        table=named if sum(map(len, histories)) <= _LONGEST_TABLE else None,
    )


def _loss_chart(histories: list[list[EpochNumbers]], *, validated: bool) -> Markup:
    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        _lines(axes, histories, lambda e: e.train_loss, label="training", color=SECOND, style="s--")
        if validated:
            _lines(axes, histories, lambda e: e.valid_loss, label="validation", color=FIRST)
        axes.set(yscale="log", ylabel="mean cross-entropy, nats")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.legend()

    last = [history[-1] for history in histories]
    said = f"At the end: training {np.mean([e.train_loss for e in last]):.4f}"
    if validated:
        said += f", validation {np.mean([e.valid_loss for e in last]):.4f}"
    return draw(f"Loss after each epoch. {said}.", paint)


def _accuracy_chart(histories: list[list[EpochNumbers]]) -> Markup:
    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        _lines(axes, histories, lambda e: 100 * e.valid.value, label="validation", color=FIRST)
        if len(histories) == 1:
            ends = np.array([e.valid.interval() for e in histories[0]]).T
            epochs = [e.epoch for e in histories[0]]
            axes.fill_between(epochs, *(100 * ends), color=FIRST, alpha=0.2, lw=0)
        axes.set_ylabel("validation accuracy, %")

    last = [history[-1] for history in histories]
    correct, total = sum(e.valid_correct for e in last), sum(e.valid_total for e in last)
    said = f"At the end {100 * correct / total:.2f} % of {total:,} validation images"
    return draw(f"Validation accuracy after each epoch. {said}.", paint)


def _lines(
    axes: Axes,
    histories: list[list[EpochNumbers]],
    number: Callable[[EpochNumbers], float],
    *,
    label: str,
    color: str,
    style: str = "o-",
) -> None:
    """One line for each network; many are thin, so that their spread can be seen."""
    many = len(histories) > 1
    for index, history in enumerate(histories):
        axes.plot(
            [e.epoch for e in history],
            [number(e) for e in history],
            style.lstrip("os") if many else style,
            color=color,
            linewidth=0.8 if many else 1.6,
            label=label if index == 0 else None,
        )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch")
