"""What a sweep searches: a baseline, and what varies around it.

That is a recipe's declared arguments and a few settings of the engine.
"""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.augment.ranges import Range
from pipeline.augment.registry import build_recipe, serialise
from pipeline.runs.spec import RunSpec, respecify
from pipeline.settings.fields import Settings

Value = float | int | str | bool | None
"""What an argument or a setting may be."""


@dataclass(frozen=True)
class Parameter:
    """One argument of the recipe, or one setting."""

    kind: Literal["recipe", "setting"]
    name: str
    default: Value
    """The baseline's."""
    allowed: Range
    """From low to high, or the values to choose from."""
    log: bool = False
    """Whether it is drawn evenly over its logarithm."""

    @property
    def key(self) -> str:
        """Tells an argument from a setting of the same name."""
        return f"{self.kind}.{self.name}"

    def draw(self, trial: Any) -> Value:
        """Return the value that an Optuna trial proposes, to three digits: it is to be typed."""
        if isinstance(self.allowed, list):
            chosen: Value = trial.suggest_categorical(self.key, self.allowed)
            return chosen
        low, high = self.allowed
        if isinstance(low, int) and isinstance(high, int):
            return int(trial.suggest_int(self.key, low, high, log=self.log))
        value = float(trial.suggest_float(self.key, float(low), float(high), log=self.log))
        return self.default if value == self.default else float(f"{value:.3g}")


def build_space(
    settings: Settings, declared: Mapping[str, tuple[Range, Any]], fixed: Collection[str]
) -> list[Parameter]:
    """Return what may vary around a baseline: the arguments that its recipe declares, and settings.

    Of the settings: the learning rate by a factor of 3 and weight decay by a factor of 10 either
    way, and dropout, if there is any, from none to twice as much; but none that are fixed.
    """
    space = [
        Parameter("recipe", name, default, allowed) for name, (allowed, default) in declared.items()
    ]
    rate, decay, dropout = settings.learning_rate, settings.weight_decay, settings.dropout
    of_engine = [Parameter("setting", "learning_rate", rate, (rate / 3, min(3 * rate, 10.0)), True)]
    if decay > 0:
        ends = (decay / 10, min(10 * decay, 1.0))
        of_engine.append(Parameter("setting", "weight_decay", decay, ends, True))
    if dropout > 0:
        of_engine.append(Parameter("setting", "dropout", dropout, (0.0, min(2 * dropout, 0.9))))
    return space + [parameter for parameter in of_engine if parameter.name not in fixed]


@dataclass(frozen=True)
class Search:
    """What is searched: a space around a baseline, by trials that are trained on some folds."""

    name: str
    """Its folder in `runs/`; empty: made from what it searches."""
    base: RunSpec
    space: list[Parameter]
    folds: Sequence[int]
    batch: int = 1
    """Trials that are proposed, and may be trained, at once."""

    @property
    def identity(self) -> str:
        """A hash of everything that decides which trials there are and how they score."""
        parts = [
            self.base.settings.identity(),
            self.base.recipe,
            self.base.network,
            [[each.key, each.default, each.allowed, each.log] for each in self.space],
            list(self.folds),
            *([self.batch] if self.batch > 1 else []),
        ]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    @property
    def folder_name(self) -> str:
        """The name, or the one that follows from what is searched."""
        made = f"sweep-{self.base.preset}-{self.base.settings.augment}-{self.identity[:6]}"
        return self.name or made

    def specify(self, values: Sequence[Value]) -> RunSpec:
        """Return the run that some values mean; those of the baseline are the baseline itself.

        Raises:
            UserError: The recipe cannot be made with such values.
        """
        chosen = list(zip(self.space, values, strict=True))
        arguments = {each.name: value for each, value in chosen if each.kind == "recipe"}
        settings = {each.name: value for each, value in chosen if each.kind == "setting"}
        recipe, augment = self.base.recipe, self.base.settings.augment
        if arguments != {each.name: each.default for each in self.space if each.kind == "recipe"}:
            recipe = serialise(build_recipe(augment, arguments), augment)
        return respecify(self.base, settings, recipe)

    def describe(self, values: Sequence[Value]) -> str:
        """Return the values as a user would type them."""
        chosen = zip(self.space, values, strict=True)
        return " ".join(f"{each.name}={value}" for each, value in chosen)
