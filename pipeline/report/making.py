"""How the run was made: network, settings, data, versions, time and memory."""

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.report.evidence import Evidence, Fold
from pipeline.report.sprites import SpriteSheet
from pipeline.report.templating import Section, render
from pipeline.runs.results import accuracy_if_validated
from pipeline.runs.scoring import Accuracy
from pipeline.settings.fields import EXECUTION_FIELDS, Settings


@dataclass(frozen=True)
class FoldRow:
    """One line of the table of trainings.

    Attributes:
        run: The run.
        fold: Its training.
        accuracy: Of its validation images; None without any.
    """

    run: str
    fold: Fold
    accuracy: Accuracy | None

    @property
    def elapsed_s(self) -> float:
        """Seconds of all its epochs."""
        return sum(epoch.elapsed_s for epoch in self.fold.history)


def network_section(evidence: Evidence, sheet: SpriteSheet) -> Section:
    """Return the section on the network, layer by layer."""
    _ = sheet
    networks = {str(t.config.settings["model"]): t.network for t in evidence.trainings}
    return Section("network", "Network", render("network.html", networks=networks))


def section(evidence: Evidence, sheet: SpriteSheet) -> Section:
    """Return the section on everything else."""
    _ = sheet
    configs = [training.config for training in evidence.trainings]
    rows = [
        FoldRow(
            training.config.run,
            fold,
            accuracy_if_validated(fold.valid, evidence.train_labels),
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
    body = render(
        "making.html",
        rows=rows,
        total_s=sum(row.elapsed_s for row in rows),
        presets=_distinct(config.preset for config in configs),
        settings=settings,
        versions=versions,
        manifest=evidence.manifest,
        folds_sha256=_distinct(config.folds_sha256 for config in configs),
        several_runs=len(configs) > 1,
    )
    return Section("making", "How it was made", body)


def _distinct(values: Iterable[object]) -> str:
    """The values as text, each once, in their order."""
    return ", ".join(dict.fromkeys(str(value) for value in values))
