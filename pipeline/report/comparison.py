"""The run beside another: the verdict, its figures, and the digits that changed sides."""

from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure

from pipeline.judging.pairing import Comparison
from pipeline.judging.words import headline, list_facts
from pipeline.report.changed_digits import find_changed, said_of
from pipeline.report.charts import FIRST, MUTED, draw
from pipeline.report.evidence import Evidence
from pipeline.report.sprites import SpriteSheet
from pipeline.report.templating import render


def section(evidence: Evidence, comparison: Comparison, sheet: SpriteSheet) -> Markup:
    """Return the section."""
    names = evidence.competition.class_names

    def show(image: int) -> dict[str, Any]:
        row = int(comparison.rows[image])
        return {
            "sprite": sheet.place(("train", row), evidence.train_images[row]),
            "row": row,
            "label": names[comparison.labels[image]],
            "said": [
                (side, names[read_as], float(prob))
                for side, read_as, prob in said_of(comparison, image)
            ],
        }

    groups = [
        (caption, [show(image) for image in images]) for caption, images in find_changed(comparison)
    ]
    return render(
        "comparison.html",
        headline=headline(comparison.difference),
        chart=_chart(comparison),
        facts=list_facts(comparison),
        groups=groups,
        run=evidence.run,
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
