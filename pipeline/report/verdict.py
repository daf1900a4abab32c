"""The verdict: what a reader in a hurry should take away."""

from markupsafe import Markup

from pipeline.report import calibration
from pipeline.report.classes import class_rows
from pipeline.report.evidence import Evidence
from pipeline.report.sprites import SpriteSheet
from pipeline.report.suspects import suspicious_labels
from pipeline.report.templating import render
from pipeline.runs.scoring import expect_score


def section(evidence: Evidence, sheet: SpriteSheet) -> Markup:
    """Return the section; it shows no digits."""
    if not evidence.is_validated:
        return render("unvalidated.html", evidence=evidence)
    rows = class_rows(evidence)
    return render(
        "verdict.html",
        evidence=evidence,
        accuracy=evidence.accuracy,
        interval=evidence.accuracy.interval(),
        expected=expect_score(evidence.accuracy, evidence.num_test),
        num_folds=len(evidence.trainings[0].folds),
        hardest=min(rows, key=lambda row: row.accuracy.value),
        commonest=max(rows, key=lambda row: row.times),
        calibration=calibration.of(evidence),
        num_suspects=len(suspicious_labels(evidence.out_of_fold.probs, evidence.valid_labels)),
    )
