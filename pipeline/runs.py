"""What makes a run itself: its name, and whether a folder holds that run or another."""

import hashlib
import json
from dataclasses import dataclass

from pipeline.artifacts.paths import check_run_name
from pipeline.artifacts.records import RunConfig
from pipeline.competition import get_competition
from pipeline.settings import Settings


@dataclass(frozen=True)
class RunSpec:
    """A run as the user asks for it.

    Attributes:
        name: Its name.
        preset: The preset the settings started from.
        settings: The resolved settings.
        recipe: The serialised augmentation recipe.
    """

    name: str
    preset: str
    settings: Settings
    recipe: str


def specify_run(name: str, preset: str, settings: Settings, recipe: str) -> RunSpec:
    """Return the run asked for; an empty name becomes the one that follows from the settings.

    Such a name says what people look for and ends in six digits of a hash of everything that
    decides what is trained, so another recipe or value is another run.

    Raises:
        UserError: The name cannot name a run.
    """
    if name:
        return RunSpec(check_run_name(name), preset, settings, recipe)
    parts = [preset, settings.augment, f"s{settings.seed}"]
    competition = get_competition(settings.competition)
    if not competition.on_kaggle and preset != competition.slug:
        parts.insert(0, competition.slug)
    identity = json.dumps([settings.identity(), recipe], sort_keys=True)
    name = "-".join([*parts, hashlib.sha256(identity.encode()).hexdigest()[:6]])
    return RunSpec(name, preset, settings, recipe)


def spec_differences(config: RunConfig, spec: RunSpec) -> list[str]:
    """Return what the run on disk trains differently from the one asked for, a text each.

    Settings that say where something is computed do not count.
    """
    mine, asked = _identity(config), spec.settings.identity()
    found = [
        f"{name} {mine[name]!r} → {asked[name]!r}" for name in mine if mine[name] != asked[name]
    ]
    if config.recipe != spec.recipe and mine["augment"] == asked["augment"]:
        found.append(f"the recipe {asked['augment']!r} was edited")
    return found


def data_differences(config: RunConfig, digits_sha256: str, folds_sha256: str) -> list[str]:
    """Return what became different in the data since the run on disk began, a text each."""
    found = []
    if config.digits_sha256 != digits_sha256:
        found.append("the digits are others")
    if config.folds_sha256 != folds_sha256:
        found.append("folds.csv is another")
    return found


def fingerprint(config: RunConfig) -> str:
    """Return a hash of everything that decides what is trained; it marks the run's files."""
    parts = [_identity(config), config.recipe, config.digits_sha256, config.folds_sha256]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _identity(config: RunConfig) -> dict[str, object]:
    return Settings.model_validate(config.settings).identity()
