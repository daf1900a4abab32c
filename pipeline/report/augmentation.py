"""What the recipe does to digits, drawn as `make preview` draws it."""

import base64
import json

from markupsafe import Markup

from pipeline.report.evidence import Evidence, Training
from pipeline.report.sprites import SpriteSheet
from pipeline.report.templating import Section, render

_MOST_PICTURES = 3
"""Pictures on a page; each takes 0.2 MB."""


def section(evidence: Evidence, sheet: SpriteSheet) -> Section:
    """Return the section: one picture for each recipe among the trainings."""
    _ = sheet  # the picture is one piece
    recipes: dict[str, Training] = {}
    for training in evidence.trainings:
        recipes.setdefault(training.config.recipe, training)
    pictures = [
        (
            str(training.config.settings["augment"]),
            Markup(f"data:image/png;base64,{base64.b64encode(training.preview).decode()}"),
            json.dumps(json.loads(text), indent=1),
        )
        for text, training in list(recipes.items())[:_MOST_PICTURES]
    ]
    body = render("augmentation.html", pictures=pictures, num_recipes=len(recipes))
    return Section("augmentation", "Augmentation", body)
