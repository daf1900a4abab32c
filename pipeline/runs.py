"""What makes a run itself: its name, its settings on disk, its accuracy."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.artifacts.digits_cache import load_digits, load_manifest
from pipeline.artifacts.files import sha256
from pipeline.artifacts.paths import RunPaths, Workspace, check_run_name
from pipeline.artifacts.probs import Probs, load_probs
from pipeline.artifacts.records import EnsembleConfig, EnsembleMember, RunConfig, read_record
from pipeline.competition import get_competition
from pipeline.digits import Digits
from pipeline.errors import UserError
from pipeline.scoring import Accuracy, count_correct
from pipeline.settings import Settings, parse_settings


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


@dataclass(frozen=True)
class EnsembleSpec:
    """The mean of several runs, as the user asks for it.

    Attributes:
        name: Its name.
        members: The runs to average.
    """

    name: str
    members: tuple[RunSpec, ...]


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
    if settings.all_data:
        parts.append("all-data")
    competition = get_competition(settings.competition)
    if not competition.on_kaggle and preset != competition.slug:
        parts.insert(0, competition.slug)
    identity = json.dumps([settings.identity(), recipe], sort_keys=True)
    name = "-".join([*parts, hashlib.sha256(identity.encode()).hexdigest()[:6]])
    return RunSpec(name, preset, settings, recipe)


def specify_ensemble(name: str, label: str, members: Sequence[RunSpec]) -> EnsembleSpec:
    """Return the ensemble asked for; an empty name becomes one that follows from the members.

    Args:
        name: Its name, or empty.
        label: What such a name begins with.
        members: At least two different runs, in any order.

    Raises:
        UserError: The name cannot name a run, or there are too few members or one twice.
    """
    names = [member.name for member in members]
    if len(names) < 2:
        raise UserError('an ensemble needs at least two runs; name them: RUNS="a b".')
    if twice := [each for each in names if names.count(each) > 1]:
        raise UserError(f"run {twice[0]} comes twice; an ensemble counts each run once.")
    if not name:
        competition = get_competition(members[0].settings.competition)
        parts = [label, hashlib.sha256("/".join(sorted(names)).encode()).hexdigest()[:6]]
        name = "-".join(parts if competition.on_kaggle else [competition.slug, *parts])
    return EnsembleSpec(check_run_name(name), tuple(members))


def specify_again(config: RunConfig, **overrides: object) -> RunSpec:
    """Return a run as it was made, so that no knob has to be repeated.

    Args:
        config: Its configuration.
        overrides: Values for some of its settings, such as the device.

    Raises:
        UserError: The configuration or a value is not valid.
    """
    source = f"the configuration of run {config.run}" + (" with your knobs" if overrides else "")
    settings = parse_settings(config.settings | overrides, source)
    return RunSpec(config.run, config.preset, settings, config.recipe)


def respecify(spec: RunSpec, overrides: Mapping[str, object], recipe: str) -> RunSpec:
    """Return a run with other settings; it keeps its name only if it still trains the same.

    Args:
        spec: The run to start from.
        overrides: Setting name → value or text.
        recipe: The serialised recipe that goes with them.

    Raises:
        UserError: A name is not known, or a value has the wrong type or is out of its range.
    """
    settings = parse_settings(spec.settings.model_dump() | dict(overrides), "your knobs")
    _ = settings.fold_numbers  # refuses a fold that does not exist before anything starts
    changed = RunSpec(spec.name, spec.preset, settings, recipe)
    if differences(spec, changed):
        return specify_run("", spec.preset, settings, recipe)
    return changed


def read_run(run: str, workspace: Workspace) -> RunConfig | EnsembleConfig:
    """Return what a run is: one training, or the mean of others.

    Both kinds know their `competition`, `digits_sha256`, `folds_sha256` and a `title` for people,
    and leave the same `oof.npz` and `test.npz`.

    Raises:
        UserError: There is no such run, or its record is damaged.
    """
    record = find_run(run, workspace)
    if record is None:
        raise UserError(f"there is no run {run}; train it first: `make train RUN={run}`.")
    return record


def find_run(run: str, workspace: Workspace) -> RunConfig | EnsembleConfig | None:
    """Return what `read_run` does, or None if there is no such run.

    Raises:
        UserError: Its record is damaged.
    """
    paths = workspace.run(run)
    if paths.config.exists():
        return read_record(paths.config, RunConfig)
    if paths.ensemble.exists():
        return read_record(paths.ensemble, EnsembleConfig)
    return None


def read_config(run: str, workspace: Workspace) -> RunConfig:
    """Return the configuration of a run that is no ensemble.

    Raises:
        UserError: There is no such run, it is an ensemble, or its configuration is damaged.
    """
    record = read_run(run, workspace)
    if isinstance(record, EnsembleConfig):
        members = " ".join(record.member_names)
        raise UserError(f"run {run} is an ensemble; name its members instead: {members}.")
    return record


def load_run_digits(record: RunConfig | EnsembleConfig, workspace: Workspace) -> Digits:
    """Return the digits, which must still be those that a run was trained on.

    Raises:
        UserError: They are others now, or are missing.
    """
    inputs = workspace.input(get_competition(record.competition))
    if load_manifest(inputs).digits_sha256 != record.digits_sha256:
        raise UserError(
            f"run {record.run} was trained on other data than {inputs.folder} holds now; "
            "train a new run."
        )
    return load_digits(inputs)


def join_out_of_fold(paths: RunPaths) -> Probs:
    """Return the validation probabilities of all finished folds of a run, sorted by row.

    Args:
        paths: A run with at least one finished fold.

    Raises:
        UserError: A fold's file is damaged, or two folds validated the same row.
    """
    parts = [load_probs(paths.fold(fold).oof) for fold in paths.finished_folds()]
    rows = np.concatenate([part.ids for part in parts])
    if len(np.unique(rows)) < len(rows):
        raise UserError(
            f"{paths.folder} has folds that validated the same rows; start the run again with "
            "FORCE=1."
        )
    probs = np.concatenate([part.probs for part in parts])
    made_from = hashlib.sha256("/".join(part.made_from for part in parts).encode()).hexdigest()
    return Probs(rows, probs, made_from).sorted_by_id()


def load_out_of_fold(run: str, workspace: Workspace, *, may_be_empty: bool = False) -> Probs:
    """Return the out-of-fold probabilities of a run; ids are rows of `train.csv`, sorted.

    Args:
        run: A single run or an ensemble.
        workspace: Where it lies.
        may_be_empty: Accept a run trained on all data, which has probabilities of no row.

    Raises:
        UserError: There is no such run, nothing of it is finished, it has no row, or the file is
            damaged.
    """
    try:
        probs = load_probs(workspace.run(run).oof)
    except FileNotFoundError:
        raise UserError(
            f"run {run} has no out-of-fold probabilities; train it first: `make train`."
        ) from None
    if not (len(probs.ids) or may_be_empty):
        raise UserError(
            f"run {run} was trained on all rows and so was validated on none; this needs a run "
            "of folds: `make cv`."
        )
    return probs


def out_of_fold_accuracy(out_of_fold: Probs, labels: npt.NDArray[np.integer]) -> Accuracy:
    """Return the accuracy over the rows that a run was validated on, joined by row.

    Args:
        out_of_fold: Of at least one row.
        labels: (N,), of all rows of `train.csv`.

    Raises:
        UserError: There are rows that `train.csv` does not have.
    """
    rows = out_of_fold.ids
    if rows.min() < 0 or rows.max() >= len(labels):
        raise UserError("the run was validated on rows that train.csv does not have.")
    return count_correct(out_of_fold.probs, labels[rows])


def accuracy_if_validated(out_of_fold: Probs, labels: npt.NDArray[np.integer]) -> Accuracy | None:
    """Return `out_of_fold_accuracy`, or None if the run was trained on all rows."""
    return out_of_fold_accuracy(out_of_fold, labels) if len(out_of_fold.ids) else None


def spec_differences(config: RunConfig, spec: RunSpec) -> list[str]:
    """Return what the run on disk trains differently from the one asked for, a text each.

    Raises:
        UserError: The configuration is not valid.
    """
    return differences(specify_again(config), spec)


def differences(first: RunSpec, second: RunSpec) -> list[str]:
    """Return what the second of two runs trains differently from the first, a text each.

    Settings that say where something is computed do not count.
    """
    mine, others = first.settings.identity(), second.settings.identity()
    found = [
        f"{name} {getattr(first.settings, name)!r} → {getattr(second.settings, name)!r}"
        for name in mine | others  # all data are another run than folds of them
        if mine.get(name) != others.get(name)
    ]
    if first.recipe != second.recipe and mine["augment"] == others["augment"]:
        found.append(f"the recipe {others['augment']!r} was edited")
    return found


def data_differences(config: RunConfig, digits_sha256: str, folds_sha256: str) -> list[str]:
    """Return what became different in the data since the run on disk began, a text each."""
    found = []
    if config.digits_sha256 != digits_sha256:
        found.append("the digits are others")
    if config.folds_sha256 != folds_sha256:
        found.append("folds.csv is another")
    return found


def is_unchanged(member: EnsembleMember, workspace: Workspace) -> bool:
    """Say whether an ensemble's member is there as it was when it was averaged."""
    paths = workspace.run(member.run)
    return all(
        file.exists() and sha256(file) == known
        for file, known in ((paths.oof, member.oof_sha256), (paths.test_probs, member.test_sha256))
    )


def fingerprint(config: RunConfig) -> str:
    """Return a hash of everything that decides what is trained; it marks the run's files."""
    identity = specify_again(config).settings.identity()
    parts = [identity, config.recipe, config.digits_sha256, config.folds_sha256]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def name_networks(paths: RunPaths, folds: Sequence[int], digits_sha256: str) -> str:
    """Return a text that changes with any of a run's networks or with the test images.

    It marks the probabilities that these networks predict.
    """
    weights = [f"{fold}:{sha256(paths.fold(fold).weights)}" for fold in folds]
    return hashlib.sha256("/".join([digits_sha256, *weights]).encode()).hexdigest()
