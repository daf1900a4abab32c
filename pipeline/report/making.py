"""How the run was made: recipe, network, settings, data, versions, time and memory."""

import base64
import json
from collections.abc import Iterable

from markupsafe import Markup

from pipeline.report.evidence import Evidence, Training
from pipeline.report.sprites import SpriteSheet
from pipeline.report.templating import render
from pipeline.runs.results import accuracy_if_validated
from pipeline.settings.fields import EXECUTION_FIELDS, Settings

_MOST_PICTURES = 3
"""Of recipes on a page; each takes 0.2 MB."""


def augmentation(evidence: Evidence, sheet: SpriteSheet) -> Markup:
    """Return the section on the recipes: one picture for each, as `make preview` draws it."""
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
    return render("augmentation.html", pictures=pictures, num_recipes=len(recipes))


def network(evidence: Evidence, sheet: SpriteSheet) -> Markup:
    """Return the section on the network, layer by layer."""
    networks = {str(t.config.settings["model"]): t.network for t in evidence.trainings}
    return render("network.html", networks=networks)


def section(evidence: Evidence, sheet: SpriteSheet) -> Markup:
    """Return the section on everything else."""
    configs = [training.config for training in evidence.trainings]
    rows = [
        (
            training.config.run,
            fold,
            accuracy_if_validated(fold.valid, evidence.train_labels),
            sum(epoch.elapsed_s for epoch in fold.history),
        )
        for training in evidence.trainings
        for fold in training.folds
    ]
    # Where and how much was computed is in the table of trainings: what one command asked for (a
    # fold, say) need not be what all of them came to.
    settings = [
        (name, _distinct(config.settings.get(name, "–") for config in configs), field.description)
        for name, field in Settings.model_fields.items()
        if name not in EXECUTION_FIELDS
    ]
    versions = [("digit-recognizer-pipeline", _distinct(c.code_version for c in configs))]
    for library in configs[0].libraries:
        versions.append((library, _distinct(c.libraries.get(library) for c in configs)))
    return render(
        "making.html",
        rows=rows,
        total_s=sum(elapsed_s for *_, elapsed_s in rows),
        presets=_distinct(config.preset for config in configs),
        settings=settings,
        versions=versions,
        manifest=evidence.manifest,
        folds_sha256=_distinct(config.folds_sha256 for config in configs),
        several_runs=len(configs) > 1,
    )


def _distinct(values: Iterable[object]) -> str:
    """The values as text, each once, in their order."""
    return ", ".join(dict.fromkeys(str(value) for value in values))
