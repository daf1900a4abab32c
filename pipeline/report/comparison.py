"""The run beside another: the verdict, its figures, and the digits that changed sides."""

from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.figure import Figure

from pipeline.judging.sides import Comparison, Side
from pipeline.judging.words import headline, list_facts
from pipeline.report.changed_digits import find_changed
from pipeline.report.charts import FIRST, MUTED, draw
from pipeline.report.evidence import Evidence
from pipeline.report.sprites import Sprite, SpriteSheet
from pipeline.report.templating import Section, render


@dataclass(frozen=True)
class ChangedDigit:
    """An image that only one side got right.

    Attributes:
        sprite: Its place in the sheet.
        row: Its row in `train.csv`.
        label: The name of its label.
        said: For A and B, the class said and its probability; with several seeds, of their mean.
    """

    sprite: Sprite
    row: int
    label: str
    said: list[tuple[str, str, float]]


def section(evidence: Evidence, comparison: Comparison, sheet: SpriteSheet) -> Section:
    """Return the section."""
    groups = [
        (group.caption, [_show(evidence, comparison, sheet, int(image)) for image in group.shown])
        for group in find_changed(comparison)
    ]
    body = render(
        "comparison.html",
        headline=headline(comparison.difference),
        chart=_chart(comparison),
        facts=list_facts(comparison),
        groups=groups,
        run=evidence.run,
    )
    return Section("comparison", "Did it help?", body)


def _show(
    evidence: Evidence, comparison: Comparison, sheet: SpriteSheet, image: int
) -> ChangedDigit:
    names = evidence.competition.class_names
    row = int(comparison.rows[image])

    def said_by(name: str, side: Side) -> tuple[str, str, float]:
        probs = side.mean_probs[image]
        return name, names[probs.argmax()], float(probs.max())

    return ChangedDigit(
        sprite=sheet.place(("train", row), evidence.train_images[row]),
        row=row,
        label=names[comparison.labels[image]],
        said=[said_by("A", comparison.a), said_by("B", comparison.b)],
    )


def _chart(comparison: Comparison) -> Markup:
    """The difference with its two intervals, around zero."""
    difference = comparison.difference
    rows = [
        ("on images\nlike these", difference.interval()),
        ("on the\nleaderboard", difference.leaderboard_interval(comparison.num_test)),
    ]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.axvline(0, color=MUTED, linestyle=":")
        value = 100 * difference.value
        for place, (_, (low, high)) in enumerate(rows):
            error = [[value - 100 * low], [100 * high - value]]
            axes.errorbar(value, place, xerr=error, fmt="o", color=FIRST, capsize=4)
        axes.set_yticks(range(len(rows)), [name for name, _ in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("B's accuracy minus A's, % points (bars: 95 %)")

    said = "; ".join(
        f"{name.replace(chr(10), ' ')} {low:+.4f} to {high:+.4f}" for name, (low, high) in rows
    )
    return draw(f"B's accuracy minus A's: {difference.value:+.4f}. 95 % intervals: {said}.", paint)
