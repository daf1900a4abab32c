"""Presets: settings under a name, which may inherit from each other."""

import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Any

from pipeline.errors import UserError
from pipeline.settings.fields import EXECUTION_FIELDS, Settings, parse_settings


def preset_names() -> list[str]:
    """Return the names of all presets."""
    folder = resources.files("pipeline") / "presets"
    names = (entry.name for entry in folder.iterdir())
    return sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml"))


def load_preset(name: str) -> dict[str, Any]:
    """Return a preset's values, those it inherits included.

    Those of an ensemble have `members` and perhaps `on_all_data`, see `resolve_members`.

    Raises:
        UserError: There is no such preset, it is not valid TOML, its ancestors form a circle, or
            its members are not tables, or `on_all_data` is no number of networks.
    """
    values: dict[str, Any] = {}
    seen: list[str] = []
    parent: object = name
    while parent is not None:
        if parent in seen:
            raise UserError(f"preset {name!r} inherits from itself: {' → '.join([*seen, name])}.")
        if parent not in preset_names():
            asked_by = f" (inherited by preset {seen[-1]!r})" if seen else ""
            raise UserError(
                f"PRESET={parent!r}{asked_by} is not known; choose one of: "
                f"{', '.join(preset_names())}."
            )
        seen.append(str(parent))
        file = resources.files("pipeline") / "presets" / f"{parent}.toml"
        try:
            own = tomllib.loads(file.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UserError(f"pipeline/presets/{parent}.toml is not valid TOML: {error}.") from None
        parent = own.pop("inherits", None)
        values = own | values
    members = values.get("members", [])
    if not (isinstance(members, list) and all(isinstance(each, dict) for each in members)):
        raise UserError(f"preset {name!r}: members must be tables, as in members = [{{seed = 1}}].")
    number = values.get("on_all_data", 0)
    if not (isinstance(number, int) and 0 <= number <= 100):
        raise UserError(f"preset {name!r}: on_all_data = {number!r} must be a number, 0 to 100.")
    return values


def parse_assignments(text: str) -> dict[str, str]:
    """Parse `SET`: assignments "name=value", separated by spaces.

    Raises:
        UserError: A part is not of the form name=value, or a name comes twice.
    """
    assignments: dict[str, str] = {}
    for part in text.split():
        name, equals, value = part.partition("=")
        if not (name and equals and value):
            raise UserError(f'SET has {part!r}; write SET="name=value other=value".')
        if name in assignments:
            raise UserError(f"SET gives {name!r} twice.")
        assignments[name] = value
    return assignments


def resolve(preset: str, overrides: Mapping[str, object]) -> Settings:
    """Return a preset's settings with `overrides` (setting name → value or text) on top.

    Raises:
        UserError: A name is not known, or a value has the wrong type or is out of its range.
    """
    values = load_preset(preset)
    values.pop("on_all_data", None)
    if members := values.pop("members", []):
        raise UserError(
            f"PRESET={preset} is an ensemble of {len(members)} runs, but a single run is needed "
            "here; name another preset."
        )
    settings = parse_settings(values | dict(overrides), f"preset {preset!r} with your knobs")
    _ = settings.fold_numbers  # refuses a fold that does not exist before anything starts
    return settings


def resolve_members(preset: str, overrides: Mapping[str, object]) -> list[Settings]:
    """Return the settings of every member of an ensemble's preset; none of a single run's.

    `members = [{…}, {…}]` in a preset holds what each member has other than the preset. `overrides`
    win over both, but a seed among them is added to every member's own: the members stay different.
    `on_all_data = n` adds n networks of each member, with seeds one after another, that are trained
    on all rows to predict the test images; the members' folds say how good they are.

    Raises:
        UserError: See `resolve`; or a member has a setting that all must share.
    """
    values = load_preset(preset)
    members = values.pop("members", [])
    num_on_all_data = values.pop("on_all_data", 0)
    common = parse_settings(values | dict(overrides), f"preset {preset!r} with your knobs")
    _ = common.fold_numbers
    shift = common.seed if "seed" in overrides else 0
    found = []
    for number, own in enumerate(members, 1):
        source = f"preset {preset!r}, member {number}"
        if shared := sorted(own.keys() & (EXECUTION_FIELDS | {"competition"})):
            raise UserError(f"{source}: {shared[0]} must be the same for all members.")
        seed = parse_settings(values | own, source).seed + shift
        found.append(parse_settings(values | own | dict(overrides) | {"seed": seed}, source))
    if common.all_data:
        return found
    return found + [
        member.model_copy(update={"folds": "all-data", "seed": member.seed + number})
        for number in range(num_on_all_data)
        for member in found
    ]
