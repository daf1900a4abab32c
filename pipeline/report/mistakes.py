"""The worst mistakes: what the network was surest of, and wrong."""

import numpy as np

from pipeline.report.evidence import Evidence
from pipeline.report.shown import show
from pipeline.report.sprites import SpriteSheet
from pipeline.report.templating import Section, render

_SHOWN = 24


def section(evidence: Evidence, sheet: SpriteSheet) -> Section:
    """Return the section: mistakes in the order of their cross-entropy, the largest first."""
    wrong = np.flatnonzero(evidence.predictions != evidence.valid_labels)
    label_probs = evidence.out_of_fold.probs[wrong, evidence.valid_labels[wrong]]
    worst = wrong[label_probs.argsort(kind="stable")[:_SHOWN]]
    body = render(
        "mistakes.html",
        digits=[show(evidence, sheet, int(index)) for index in worst],
        num_wrong=len(wrong),
        total=len(evidence.out_of_fold.ids),
    )
    return Section("mistakes", "Worst mistakes", body)
