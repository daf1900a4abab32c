"""Did it help, and is it true: comparisons, the search for better values, the audit."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipeline.artifacts.paths import Workspace
from pipeline.competition import get_competition
from pipeline.errors import UserError
from pipeline.knobs import Knobs, Text
from pipeline.runs import read_config, respecify, specify_again
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pipeline.jobs.turn import Pair


@dataclass(frozen=True)
class Compare:
    """Say whether run B is better than run A, how sure that is, and what would settle it."""

    a: Text = ""
    """The baseline: a run, or several, separated by spaces, that differ in the seed alone."""
    b: Text = ""
    """The change, likewise."""
    images: bool = False
    """Also draw the digits that changed sides."""

    def __call__(self, workspace: Workspace) -> None:
        """Run the stage."""
        from pipeline.console import ConsoleReporter
        from pipeline.stages.compare import compare

        reporter = ConsoleReporter()
        compare(self.a.split(), self.b.split(), workspace, reporter, images=self.images)


@dataclass(frozen=True)
class Try(Knobs):
    """Train a change as its baseline is trained, cheapest first, and say whether it helps."""

    seeds: Text = ""
    """Seeds of each side, at most, separated by spaces; empty: the preset's."""
    base: Text = ""
    """A run to be the baseline, with its settings and recipe; empty: the preset as it is."""

    def __call__(self, workspace: Workspace) -> None:
        """Run the stage."""
        from pipeline.console import ConsoleReporter
        from pipeline.stages.try_ import DEFAULT_NUM_FOLDS, try_change

        pairs = self._pair_up(workspace)
        folds = _first_folds(pairs[0][0].settings, DEFAULT_NUM_FOLDS, self.given())
        try_change(pairs, folds, workspace, ConsoleReporter(), knobs=self.typed())

    def _pair_up(self, workspace: Workspace) -> list["Pair"]:
        """Baseline and change, for each seed."""
        from pipeline.augment.registry import recipe_text
        from pipeline.jobs.turn import OF_BOTH_SIDES, pair_up

        if self.run or self.seed:
            raise UserError("try names its runs itself and takes SEEDS; leave RUN and SEED out.")
        if self.base and self.preset:
            raise UserError("the baseline is either PRESET or BASE; leave one of them out.")
        given = self.given()
        both = {name: value for name, value in given.items() if name in OF_BOTH_SIDES}
        if self.base:
            config = read_config(self.base, workspace)
            if config.competition != self.competition:
                raise UserError(f"run {self.base} belongs to COMPETITION={config.competition}.")
            base = respecify(specify_again(config), both, config.recipe)
        else:
            base = self.specify_with(both, workspace)
        augment = given.get("augment")
        recipe = recipe_text(augment, workspace) if augment else base.recipe
        return pair_up(base, given, recipe, self.seeds.split())


@dataclass(frozen=True)
class Sweep(Knobs):
    """Search better values for a recipe and a few settings, and check the best on fresh ground."""

    trials: Text = "20"
    """How many trials, the baseline among them."""

    def __call__(self, workspace: Workspace) -> None:
        """Run the stage."""
        from pipeline.augment.registry import recipe_ranges
        from pipeline.console import ConsoleReporter
        from pipeline.jobs.sweep import Sweep as Searched
        from pipeline.stages.sweep import DEFAULT_NUM_FOLDS, sweep
        from pipeline.sweeping.space import build_space

        if not (self.trials.isdecimal() and int(self.trials) >= 2):
            raise UserError(f"TRIALS={self.trials} must be a whole number from 2 on.")
        given = self.given()
        base = replace(self, run="").specify_with(given, workspace)
        folds = _first_folds(base.settings, DEFAULT_NUM_FOLDS, given)
        declared = recipe_ranges(base.settings.augment)
        space = build_space(base.settings, declared, given.keys())
        searched = Searched(self.run, base, space, folds)
        reporter = ConsoleReporter()
        sweep(searched, int(self.trials), workspace, reporter, knobs=self.typed())


def _first_folds(settings: Settings, num_folds: int, given: Collection[str]) -> list[int]:
    """The folds asked for; if none are, so many as there may be."""
    if settings.all_data:
        raise UserError("nothing can be compared without images held out; leave all-data out.")
    if "folds" in given:
        return settings.fold_numbers
    return settings.model_copy(update={"folds": "all"}).fold_numbers[:num_folds]


@dataclass(frozen=True)
class Audit:
    """Look for what makes a score false: copies across the sets, and runs that saw their images."""

    competition: Text = "digit-recognizer"
    """Which competition: digit-recognizer, or practice (no account needed)."""
    run: Text = ""
    """Only this run; empty: all of the competition's."""
    device: Text = "auto"
    """auto, cuda, mps or cpu."""

    def __call__(self, workspace: Workspace) -> None:
        """Run the stage."""
        from pipeline.console import ConsoleReporter
        from pipeline.stages.audit import audit

        competition = get_competition(self.competition)
        audit(competition, workspace, ConsoleReporter(), run=self.run, device=self.device)
