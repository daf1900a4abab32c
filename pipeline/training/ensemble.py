"""Ensembles: runs trained one after another, and their mean, which is a run to whoever reads it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.console import Reporter
from pipeline.data.competition import get_competition
from pipeline.data.files import locked, remove_leftovers, sha256, write_record
from pipeline.errors import UserError
from pipeline.runs.probs import Probs, save_probs
from pipeline.runs.records import EnsembleConfig, EnsembleMember, RunConfig
from pipeline.runs.results import (
    accuracy_if_validated,
    find_run,
    hash_texts,
    load_out_of_fold,
    load_run_training_images,
    read_config,
)
from pipeline.runs.scoring import NO_VALIDATION, Accuracy, describe_expected, mean_of
from pipeline.runs.spec import EnsembleSpec, RunSpec, check_warranted, fingerprint
from pipeline.runs.workspace import Workspace
from pipeline.training.forecast import Forecast
from pipeline.training.inference import predict_run
from pipeline.training.run import train_run, train_together


def train_ensemble(
    spec: EnsembleSpec, workspace: Workspace, reporter: Reporter, *, force: bool = False
) -> Accuracy | None:
    """Train what is not finished of every member, or all anew by `force`, then average them.

    What is returned and raised is that of `train_run` and `combine_runs`.
    """
    reporter.line(f"{spec.name}: the mean of {len(spec.members)} runs")
    if spec.members[0].settings.cluster:
        train_together(spec.members, workspace, reporter, force=force)
        force = False
    forecast = Forecast(spec.members, workspace, from_scratch=force)
    networks_shown = set()
    for number, member in enumerate(spec.members, 1):
        if forecast.left_s:
            reporter.line(f"time to train: {forecast}")
        reporter.line(f"run {number} of {len(spec.members)}")
        start, network = time.perf_counter(), member.settings.model
        is_new = network not in networks_shown
        train_run(member, workspace, reporter, force=force, show_network=is_new)
        forecast.finish(member.name, time.perf_counter() - start)
        networks_shown.add(network)
        _say_so_far(spec.members[:number], workspace, reporter)
    return combine_runs(spec, workspace, reporter, force=force)


def _say_so_far(trained: Sequence[RunSpec], workspace: Workspace, reporter: Reporter) -> None:
    """Say what the mean of these runs is worth, so that one may stop when it is enough."""
    members = [_read_member(run, workspace) for run in trained]
    validated = [member for member in members if not member.all_data]
    if 1 < len(validated) == len(members):
        _, labels = load_run_training_images(members[0].config, workspace)
        accuracy = accuracy_if_validated(_mean([each.valid for each in validated]), labels)
        reporter.line(f"the mean of {len(validated)} runs so far: {_say(accuracy)}")


@dataclass(frozen=True)
class _Member:
    """A run to be averaged, with its configuration."""

    spec: RunSpec
    config: RunConfig
    fingerprint: str  # of the configuration
    valid: Probs  # out of fold, sorted by row

    @property
    def all_data(self) -> bool:
        return self.spec.settings.all_data


def combine_runs(
    spec: EnsembleSpec, workspace: Workspace, reporter: Reporter, *, force: bool = False
) -> Accuracy | None:
    """Average the out-of-fold and the test probabilities of finished runs, joined by id.

    Every run counts the same. Test probabilities that are not there yet are predicted; if some of
    the runs were trained on all rows, by these alone, with the others as their warrant. An ensemble
    of that name and other members is replaced by `force` alone. Runs that cannot be averaged, or a
    name that is another run's, raise a UserError.

    Returns:
        The ensemble's accuracy on its members' validation images; None of runs on all data.
    """
    members = [_read_member(member, workspace) for member in spec.members]
    on_all_data = [member for member in members if member.all_data]
    validated = [member for member in members if not member.all_data] or on_all_data
    voting = on_all_data or validated
    _check_alike(members)
    _check_rows(validated)
    if voting is not validated:
        check_warranted([each.spec for each in voting], [each.spec for each in validated])
    paths = workspace.run(spec.name)
    config = members[0].config
    _, labels = load_run_training_images(config, workspace)
    with locked(paths.lock, f"run {spec.name}"):
        remove_leftovers(paths.folder)
        _check_free(spec, workspace, force=force)
        tests = [
            predict_run(member.spec.name, member.spec.settings, workspace, reporter).sorted_by_id()
            for member in voting
        ]
        valid = _mean([member.valid for member in validated])
        save_probs(paths.test_probs, _mean(tests))
        record = EnsembleConfig(
            run=spec.name,
            competition=config.competition,
            digits_sha256=config.digits_sha256,
            folds_sha256=config.folds_sha256,
            members=[_describe(member, workspace, votes=member in voting) for member in members],
        )
        write_record(paths.ensemble, record)
        save_probs(paths.oof, valid)  # written last: the ensemble is finished
    width = max(len(name) for name in [spec.name, *(m.spec.name for m in members)])
    accuracy = accuracy_if_validated(valid, labels)
    for member in members:
        own = accuracy_if_validated(member.valid, labels)
        reporter.line(f"{member.spec.name:{width}}  {_say(own)}")
    reporter.line(f"{spec.name:{width}}  {_say(accuracy)}, the mean of {len(validated)} runs")
    if accuracy:
        more = mean_of(len(workspace.run(validated[0].spec.name).finished_folds()))
        if voting is not validated:
            more = f"the mean of {len(voting)} trained on all data"
        competition = get_competition(config.competition)
        num_scored = competition.count_scored(len(tests[0].ids))
        reporter.line(describe_expected(accuracy, num_scored, more))
    return accuracy


def _say(accuracy: Accuracy | None) -> str:
    return f"accuracy {accuracy}" if accuracy else NO_VALIDATION


def _read_member(spec: RunSpec, workspace: Workspace) -> _Member:
    config = read_config(spec.name, workspace)
    valid = load_out_of_fold(spec.name, workspace, may_be_empty=True).sorted_by_id()
    return _Member(spec, config, fingerprint(config), valid)


def _check_alike(members: Sequence[_Member]) -> None:
    """Refuse, by name, runs whose mean would not be one of different networks on equal terms."""
    a, first = members[0].spec.name, members[0].config
    seen: dict[str, str] = {}
    for member in members:
        b, other = member.spec.name, member.config
        if first.competition != other.competition:
            raise UserError(
                f"run {b} belongs to the competition {other.competition}, run {a} to "
                f"{first.competition}; name runs of one competition."
            )
        if first.digits_sha256 != other.digits_sha256:
            raise UserError(
                f"run {b} was trained on other digits than run {a}; train one of them anew."
            )
        if first.folds_sha256 != other.folds_sha256:
            raise UserError(
                f"run {b} was trained by another folds.csv than run {a}; train one of them anew."
            )
        if twin := seen.get(member.fingerprint):
            raise UserError(
                f"run {b} is run {twin} under another name: the same settings, recipe and data; "
                "leave one of them out."
            )
        seen[member.fingerprint] = b


def _check_rows(validated: Sequence[_Member]) -> None:
    """Refuse runs that were not validated on the same rows."""
    first = validated[0]
    a = first.spec.name
    for other in validated[1:]:
        if np.array_equal(first.valid.ids, other.valid.ids):
            continue
        rows_a, rows_b = len(first.valid.ids), len(other.valid.ids)
        how = f"on {rows_b:,} rows, run {a} on {rows_a:,}"
        if rows_a == rows_b:
            how = f"on other rows than run {a}, {rows_a:,} each"
        raise UserError(f"run {other.spec.name} was validated {how}; train the same folds of both.")


def _check_free(spec: EnsembleSpec, workspace: Workspace, *, force: bool) -> None:
    """Refuse to replace another run, or an ensemble of other members."""
    there = find_run(spec.name, workspace)
    if there is None:
        return
    if isinstance(there, RunConfig):
        raise UserError(
            f"run {spec.name} is a single run; give the ensemble another name with RUN=."
        )
    if set(there.member_names) != {member.name for member in spec.members} and not force:
        raise UserError(
            f"run {spec.name} is the mean of other runs ({', '.join(there.member_names)}); give "
            "the new one another name with RUN=, or replace it: `make ensemble FORCE=1` with the "
            "same knobs."
        )


def _mean(parts: Sequence[Probs]) -> Probs:
    """The mean probabilities of the same images, each part sorted by id."""
    assert all(np.array_equal(part.ids, parts[0].ids) for part in parts)
    mean: npt.NDArray[np.float64] = np.mean([part.probs.astype(np.float64) for part in parts], 0)
    made_from = hash_texts(part.made_from for part in parts)
    return Probs(parts[0].ids, mean.astype(np.float32), made_from)


def _describe(member: _Member, workspace: Workspace, *, votes: bool) -> EnsembleMember:
    paths = workspace.run(member.spec.name)
    return EnsembleMember(
        run=member.spec.name,
        fingerprint=member.fingerprint,
        oof_sha256=sha256(paths.oof),
        test_sha256=sha256(paths.test_probs) if votes else None,
        all_data=member.all_data,
    )
