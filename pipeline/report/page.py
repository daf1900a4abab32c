"""The page: its sections in their order, and the verdict that is drawn from them."""

from collections.abc import Callable

from markupsafe import Markup

from pipeline import __version__
from pipeline.judging.pairing import Comparison
from pipeline.report import calibration, classes, comparison, curves, embedding, making, shown
from pipeline.report.evidence import Evidence
from pipeline.report.sprites import GUTTER_PX, SpriteSheet
from pipeline.report.templating import render
from pipeline.runs.scoring import expect_score


def _verdict(evidence: Evidence, sheet: SpriteSheet) -> Markup:
    """What a reader in a hurry should take away."""
    if not evidence.is_validated:
        return render("unvalidated.html", evidence=evidence)
    rows = classes.class_rows(evidence)
    suspects = shown.suspicious_labels(evidence.out_of_fold.probs, evidence.valid_labels)
    return render(
        "verdict.html",
        evidence=evidence,
        accuracy=evidence.accuracy,
        interval=evidence.accuracy.interval(),
        expected=expect_score(
            evidence.accuracy, evidence.competition.count_scored(evidence.num_test)
        ),
        num_folds=len(evidence.trainings[0].folds),
        hardest=min(rows, key=lambda row: row.accuracy.value),
        commonest=max(rows, key=lambda row: row.times),
        calibration=calibration.of(evidence),
        num_suspects=len(suspects),
    )


ALL_SECTIONS: dict[str, tuple[str, Callable[[Evidence, SpriteSheet], Markup]]] = {
    "verdict": ("Verdict", _verdict),
    "curves": ("Learning curves", curves.section),
    "classes": ("Classes and confusions", classes.section),
    "mistakes": ("Worst mistakes", shown.mistakes),
    "labels": ("Labels that look wrong", shown.suspects),
    "calibration": ("Calibration", calibration.section),
    "map": ("The images as the network sees them", embedding.section),
    "augmentation": ("Augmentation", making.augmentation),
    "test": ("First test images", shown.first_test_images),
    "network": ("Network", making.network),
    "making": ("How it was made", making.section),
}
"""Id on the page → heading, and what writes all below it."""

_ABOUT_VALIDATION = {"classes", "mistakes", "labels", "calibration", "map"}


def render_page(
    evidence: Evidence, compared: Comparison | None, on_section: Callable[[int], None]
) -> str:
    """Return the report as one HTML document that needs no other file and no network.

    If the run was `compared` as side B, that section comes first. `on_section` is called with 1
    after each of the others, at most as often as `ALL_SECTIONS` are many.
    """
    sheet = SpriteSheet(*evidence.competition.image_shape[1:])
    sections = []
    if compared:
        body = comparison.section(evidence, compared, sheet)
        sections.append(("comparison", "Did it help?", body))
    for anchor, (title, write) in ALL_SECTIONS.items():
        if evidence.is_validated or anchor not in _ABOUT_VALIDATION:
            sections.append((anchor, title, write(evidence, sheet)))
        on_section(1)
    return render(
        "page.html",
        run=evidence.run,
        competition=evidence.competition,
        description=_describe(evidence),
        against=", ".join(compared.a.runs) if compared else None,
        sections=sections,
        sheet=sheet,
        in_colour=evidence.competition.image_shape[0] == 3,
        longest_name=max(map(len, evidence.competition.class_names)),
        sheet_uri=Markup(sheet.data_uri()),
        gutter_px=GUTTER_PX,
        version=__version__,
    )


def _describe(evidence: Evidence) -> str:
    """What the run is, in a line."""
    trainings, count = evidence.trainings, evidence.num_networks
    networks = f"{count} network{'s' if count > 1 else ''}"
    if len(trainings) > 1:
        return f"the mean of {len(trainings)} runs, {networks}"
    settings = trainings[0].config.settings
    return (
        f"{settings['model']}, recipe {settings['augment']}, seed {settings['seed']}, "
        f"{settings['epochs']} epochs, {networks}"
    )
