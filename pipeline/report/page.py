"""The page: its sections in their order."""

from collections.abc import Callable

from markupsafe import Markup

from pipeline import __version__
from pipeline.judging.sides import Comparison
from pipeline.report import (
    augmentation,
    calibration,
    classes,
    comparison,
    curves,
    embedding,
    making,
    mistakes,
    suspects,
    testset,
    verdict,
)
from pipeline.report.evidence import Evidence
from pipeline.report.sprites import GUTTER_PX, SpriteSheet
from pipeline.report.templating import Section, render

_Writer = Callable[[Evidence, SpriteSheet], Section]

ALL_SECTIONS: list[_Writer] = [
    verdict.section,
    curves.section,
    classes.section,
    mistakes.section,
    suspects.section,
    calibration.section,
    embedding.section,
    augmentation.section,
    testset.section,
    making.network_section,
    making.section,
]
_ABOUT_VALIDATION: list[_Writer] = [
    classes.section,
    mistakes.section,
    suspects.section,
    calibration.section,
    embedding.section,
]


def render_page(
    evidence: Evidence,
    compared: Comparison | None = None,
    on_section: Callable[[int], None] = lambda num_sections: None,
) -> str:
    """Return the report as one HTML document that needs no other file and no network.

    Args:
        evidence: Of the run.
        compared: The run as side B beside another; None leaves that section out.
        on_section: Called with 1 after each section, at most as often as `ALL_SECTIONS` are many.
    """
    _, height, width = evidence.competition.image_shape
    sheet = SpriteSheet(height, width)
    sections = [comparison.section(evidence, compared, sheet)] if compared else []
    for section in ALL_SECTIONS:
        if evidence.is_validated or section not in _ABOUT_VALIDATION:
            sections.append(section(evidence, sheet))
        on_section(1)
    return render(
        "page.html",
        run=evidence.run,
        competition=evidence.competition,
        description=_describe(evidence),
        against=", ".join(compared.a.runs) if compared else None,
        sections=sections,
        sheet=sheet,
        sheet_uri=Markup(sheet.data_uri()),
        gutter_px=GUTTER_PX,
        version=__version__,
    )


def _describe(evidence: Evidence) -> str:
    """What the run is, in a line."""
    trainings = evidence.trainings
    count = evidence.num_networks
    networks = f"{count} network{'s' if count > 1 else ''}"
    if len(trainings) > 1:
        return f"the mean of {len(trainings)} runs, {networks}"
    settings = trainings[0].config.settings
    return (
        f"{settings['model']}, recipe {settings['augment']}, seed {settings['seed']}, "
        f"{settings['epochs']} epochs, {networks}"
    )
