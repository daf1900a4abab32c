"""What is asked for: a run or an ensemble, its name, and what makes it another."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.data.competition import DEFAULT_COMPETITION
from pipeline.errors import UserError
from pipeline.runs.network_code import hash_network
from pipeline.runs.records import RunConfig
from pipeline.runs.workspace import check_run_name
from pipeline.settings.fields import Settings, parse_settings


@dataclass(frozen=True)
class RunSpec:
    """A run as the user asks for it."""

    name: str
    preset: str  # from which the settings started
    settings: Settings  # resolved
    recipe: str  # serialised
    network: str | None = None  # `hash_network` of the network's code; None if it is not known


@dataclass(frozen=True)
class EnsembleSpec:
    """The mean of several runs, as the user asks for it."""

    name: str
    members: tuple[RunSpec, ...]


def specify_run(
    name: str, preset: str, settings: Settings, recipe: str, network: str | None = None
) -> RunSpec:
    """Return the run asked for; an empty name becomes the one that follows from the settings.

    Such a name says what people look for and ends in six digits of a hash of everything that
    decides what is trained, so another recipe, network or value is another run. The network's code
    is that of now, unless another's hash is given. A name that cannot name a run, or code that is
    not valid Python, raises a UserError.
    """
    network = network or hash_network(settings.model)
    if not name:
        parts = [preset, settings.augment, f"s{settings.seed}"]
        if settings.all_data:
            parts.append("all-data")
        if settings.competition not in (DEFAULT_COMPETITION, preset):
            parts.insert(0, settings.competition)
        identity = json.dumps([settings.identity(), recipe, network], sort_keys=True)
        name = "-".join([*parts, hashlib.sha256(identity.encode()).hexdigest()[:6]])
    return RunSpec(check_run_name(name), preset, settings, recipe, network)


def specify_ensemble(name: str, label: str, members: Sequence[RunSpec]) -> EnsembleSpec:
    """Return the ensemble asked for, of at least two different runs.

    An empty name becomes one that begins with the label and follows from the members, in whatever
    order.
    """
    names = [member.name for member in members]
    if len(names) < 2:
        raise UserError('an ensemble needs at least two runs; name them: RUNS="a b".')
    if twice := [each for each in names if names.count(each) > 1]:
        raise UserError(f"run {twice[0]} comes twice; an ensemble counts each run once.")
    if not name:
        slug = members[0].settings.competition
        parts = [label, hashlib.sha256("/".join(sorted(names)).encode()).hexdigest()[:6]]
        name = "-".join(parts if slug == DEFAULT_COMPETITION else [slug, *parts])
    return EnsembleSpec(check_run_name(name), tuple(members))


def specify_again(config: RunConfig, **overrides: object) -> RunSpec:
    """Return a run as it was made, so that no knob has to be repeated; some may be overridden."""
    source = f"the configuration of run {config.run}" + (" with your knobs" if overrides else "")
    settings = parse_settings(config.settings | overrides, source)
    return RunSpec(config.run, config.preset, settings, config.recipe, config.network_sha256)


def respecify(
    spec: RunSpec, overrides: Mapping[str, object], recipe: str, network: str | None = None
) -> RunSpec:
    """Return a run with other settings; it keeps its name only if it still trains the same.

    The recipe and the hash of the network's code (None: that of now) go with the overrides. An
    unknown name or a wrong value raises a UserError.
    """
    settings = parse_settings(spec.settings.model_dump() | dict(overrides), "your knobs")
    _ = settings.fold_numbers  # refuses a fold that does not exist before anything starts
    changed = specify_run(spec.name, spec.preset, settings, recipe, network)
    if differences(spec, changed):
        return specify_run("", spec.preset, settings, recipe, network)
    return changed


def spec_differences(config: RunConfig, spec: RunSpec) -> list[str]:
    """Return what the run on disk trains differently from the one asked for, a text each."""
    return differences(specify_again(config), spec)


def differences(first: RunSpec, second: RunSpec) -> list[str]:
    """Return what the second of two runs trains differently from the first, a text each.

    Settings that say where something is computed do not count, nor does code that is not known.
    """
    mine, others = first.settings.identity(), second.settings.identity()
    found = [
        f"{name} {getattr(first.settings, name)!r} → {getattr(second.settings, name)!r}"
        for name in mine | others  # all data are another run than folds of them
        if mine.get(name) != others.get(name)
    ]
    if first.recipe != second.recipe and mine["augment"] == others["augment"]:
        found.append(f"the recipe {others['augment']!r} was edited")
    codes = {first.network, second.network} - {None}
    if len(codes) == 2 and mine["model"] == others["model"]:
        found.append(f"the network {others['model']!r} was edited")
    return found


def check_warranted(on_all_data: Sequence[RunSpec], validated: Sequence[RunSpec]) -> None:
    """Refuse networks trained on all rows unless their like, in like numbers, were validated.

    Only then is the accuracy of the folds' mean that of a mean of such networks.
    """
    voting, known = Counter(map(_kind, on_all_data)), Counter(map(_kind, validated))
    for run in [*on_all_data, *validated]:
        kind = _kind(run)
        if voting[kind] * len(validated) != known[kind] * len(on_all_data):
            raise UserError(
                f"of the kind of {run.name}, {known[kind]} of {len(validated)} runs were validated "
                f"and {voting[kind]} of {len(on_all_data)} trained on all data; average as many "
                "runs of every kind in both, differing in the seed alone."
            )


def _kind(run: RunSpec) -> str:
    """What a run trains, apart from its seed and what it holds out."""
    settings = run.settings.model_copy(update={"seed": 0, "folds": "0", "valid": 0.1})
    return json.dumps([settings.identity(), run.recipe, run.network], sort_keys=True)


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
    identity = specify_again(config).settings.identity()
    parts = [identity, config.recipe, config.digits_sha256, config.folds_sha256]
    if config.network_sha256:  # files of runs made before it was kept stay theirs
        parts.append(config.network_sha256)
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
