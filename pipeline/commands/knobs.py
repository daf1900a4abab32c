"""The knobs that a user turns, and the run that they mean."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Annotated

from tyro.conf import arg

from pipeline.augment.registry import recipe_text
from pipeline.data.competition import get_competition
from pipeline.errors import UserError
from pipeline.runs.network_code import hash_network
from pipeline.runs.records import EnsembleConfig
from pipeline.runs.results import find_run, read_config
from pipeline.runs.spec import EnsembleSpec, RunSpec, specify_again, specify_ensemble, specify_run
from pipeline.runs.workspace import Workspace
from pipeline.settings.fields import EXECUTION_FIELDS, Settings
from pipeline.settings.presets import parse_assignments, resolve, resolve_members

Text = Annotated[str, arg(metavar="")]
"""Knobs arrive as text, empty for "the preset's"; `settings` checks and converts them."""


@dataclass(frozen=True)
class Knobs:
    """What a user may turn; everything left empty is the preset's.

    Whatever is asked of them refuses names and values that are not valid by a `UserError`.
    """

    competition: Text = "digit-recognizer"
    """Which competition: one of pipeline/competitions/."""
    preset: Text = ""
    """Settings to start from; empty: the competition's own (standard, practice)."""
    model: Text = ""
    """Which network."""
    augment: Text = ""
    """Which recipe of pipeline/augment/recipes.py."""
    augment_engine: Text = ""
    """auto, batched or albumentations."""
    seed: Text = ""
    """Seed of weights, order, augmentation and dropout."""
    epochs: Text = ""
    """Passes over the training images."""
    valid: Text = ""
    """Share of the training images held out: 0.1, 0.2, 0.3, 0.4 or 0.5."""
    folds: Text = ""
    """Which validation folds to train: 0, or 0,1,2, or all; or all-data: hold nothing out."""
    jobs: Text = ""
    """Folds trained at once."""
    device: Text = ""
    """auto, cuda, mps or cpu."""
    cluster: Text = ""
    """A Ray cluster to train on: auto, or ray://host:10001; empty: this machine."""
    set: Text = ""
    """Any other settings: "name=value name=value"."""
    run: Text = ""
    """Name of the run; empty: made from the settings."""

    def specify(self, workspace: Workspace, given: Mapping[str, str] | None = None) -> RunSpec:
        """Return the single run that the knobs mean, or that others would which are `given`."""
        given = self.given() if given is None else given
        settings = resolve(self._preset_name, {"competition": self.competition, **given})
        recipe = recipe_text(settings.augment, workspace.recipes)
        return specify_run(self.run, self._preset_name, settings, recipe)

    def specify_any(
        self, workspace: Workspace, given: Mapping[str, str] | None = None
    ) -> RunSpec | EnsembleSpec:
        """Return the run or the ensemble that the knobs mean, or others that are `given`.

        `RUN` alone, with no knob that would make it another, is what was made under that name:
        its settings need not be repeated.
        """
        given = self.given() if given is None else given
        if self.run and not self.preset and given.keys() <= EXECUTION_FIELDS:
            record = find_run(self.run, workspace)
            if record and record.competition != self.competition:
                raise UserError(f"run {self.run} belongs to COMPETITION={record.competition}.")
            if isinstance(record, EnsembleConfig):
                configs = [read_config(name, workspace) for name in record.member_names]
                members = tuple(specify_again(each, **given) for each in configs)
                return EnsembleSpec(record.run, members)
            if record:
                again = specify_again(record, **given)
                # Recipe and network of today: an edited one is noticed, not passed over.
                recipe = recipe_text(again.settings.augment, workspace.recipes)
                return replace(again, recipe=recipe, network=hash_network(again.settings.model))
        preset = self._preset_name
        runs = [
            specify_run("", preset, settings, recipe_text(settings.augment, workspace.recipes))
            for settings in resolve_members(preset, {"competition": self.competition, **given})
        ]
        return specify_ensemble(self.run, preset, runs) if runs else self.specify(workspace, given)

    @property
    def _preset_name(self) -> str:
        """The preset typed, or the competition's own."""
        return self.preset or get_competition(self.competition).preset

    def given(self) -> dict[str, str]:
        """Return the settings that were typed, by their own knobs and by SET."""
        own = (
            *("model", "augment", "augment_engine", "seed", "epochs", "valid", "folds"),
            *("jobs", "device", "cluster"),
        )
        given = {name: getattr(self, name) for name in own if getattr(self, name)}
        extra = parse_assignments(self.set)
        if twice := sorted(given.keys() & extra.keys()):
            raise UserError(f"{twice[0]} is given twice: by its own knob and by SET.")
        return given | extra

    def first_folds(self, settings: Settings, num_folds: int) -> list[int]:
        """Return the trainings asked for, or so many of all folds; refuse that of all data."""
        if settings.all_data:
            raise UserError("nothing can be compared without images held out; leave all-data out.")
        if "folds" in self.given():
            return settings.fold_numbers
        return settings.model_copy(update={"folds": "all"}).fold_numbers[:num_folds]

    def typed(self) -> dict[str, str]:
        """Return what was typed, by knob, without what says how much to train."""
        of_run = [field for field in fields(self) if field.name not in ("folds", "trials")]
        given = {field.name: getattr(self, field.name) for field in of_run}
        changed = [field.name for field in of_run if given[field.name] != field.default]
        return {name.upper(): given[name] for name in changed}
