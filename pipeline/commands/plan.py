"""`plan`: print the steps that are due; make asks once, before it runs any of them."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from pipeline.commands.knobs import Knobs, Text
from pipeline.console import Reporter
from pipeline.data.competition import DEFAULT_COMPETITION, get_competition
from pipeline.data.digits_cache import cached_labels
from pipeline.data.files import read_record, sha256
from pipeline.data.folds import read_folds
from pipeline.data.inputs import InputPaths
from pipeline.data.manifest import changed_file, load_manifest, touched_files
from pipeline.data.predictions_csv import submission_bytes
from pipeline.errors import UserError
from pipeline.runs.probs import load_probs
from pipeline.runs.records import RunConfig
from pipeline.runs.results import check_fold, find_run, is_current, join_out_of_fold, name_networks
from pipeline.runs.spec import EnsembleSpec, RunSpec, data_differences, spec_differences
from pipeline.runs.workspace import Workspace


@dataclass(frozen=True)
class Plan(Knobs):
    """Print the competition, then the steps of data, split, train, predict that are due.

    What decides is what the files hold, never their times: those mean nothing after a copy, an
    archive or a checkout.
    """

    competition: Text = ""
    """digit-recognizer or practice; empty: that of RUN."""
    data_only: bool = False
    """Look at data and folds only, and at no run."""

    def __call__(self, workspace: Workspace, reporter: Reporter) -> None:
        """Say which steps have something to do, or may have: all that come after such a one.

        Nothing is written. Each step looks for itself in the end, and says what is wrong; a damaged
        file is made again.
        """
        record = find_run(self.run, workspace) if self.run and not self.competition else None
        slug = self.competition or (record.competition if record else DEFAULT_COMPETITION)
        inputs = workspace.input(get_competition(slug))
        done: dict[str, Callable[[], bool]] = {
            "data": lambda: changed_file(inputs, load_manifest(inputs)) is None,
            "split": lambda: _has_folds(inputs),
        }
        if not self.data_only:
            spec = replace(self, competition=slug).specify_any(workspace)
            done["train"] = lambda: not is_open(spec, workspace)
            done["predict"] = lambda: _is_predicted(spec, workspace)
        steps = list(done)
        first = next((n for n, step in enumerate(steps) if not _holds(done[step])), len(steps))
        # Copies with the same bytes need no more than that their times are noted.
        noted = ["data"] if first > 0 and touched_files(inputs, load_manifest(inputs)) else []
        reporter.line(" ".join([slug, *noted, *steps[first:]]))


def _holds(is_done: Callable[[], bool]) -> bool:
    try:
        return is_done()
    except (FileNotFoundError, UserError):
        return False


def _has_folds(inputs: InputPaths) -> bool:
    """Whether there are folds of the data that the manifest describes."""
    labels = cached_labels(inputs, load_manifest(inputs))
    return labels is not None and len(read_folds(inputs.folds, labels)) > 0


def is_open(spec: RunSpec | EnsembleSpec, workspace: Workspace) -> bool:
    """Say whether something of it is to be trained or averaged, or its name is another run's."""
    if isinstance(spec, RunSpec):
        return not _holds(lambda: _is_trained(spec, workspace))
    if any(is_open(member, workspace) for member in spec.members):
        return True
    return not _holds(lambda: is_current(spec, workspace))


def _is_trained(spec: RunSpec, workspace: Workspace) -> bool:
    paths = workspace.run(spec.name)
    config = read_record(paths.config, RunConfig)
    inputs = workspace.input(get_competition(spec.settings.competition))
    data = load_manifest(inputs).digits_sha256, sha256(inputs.folds)
    finished = paths.finished_folds()
    if spec_differences(config, spec) or data_differences(config, *data):
        return False
    if not set(spec.settings.fold_numbers) <= set(finished):
        return False
    for fold in finished:
        check_fold(paths.fold(fold))
    kept, joined = load_probs(paths.oof), join_out_of_fold(paths)
    return np.array_equal(kept.ids, joined.ids) and np.array_equal(kept.probs, joined.probs)


def _is_predicted(spec: RunSpec | EnsembleSpec, workspace: Workspace) -> bool:
    """Whether the submission holds what the run's networks, as they are, predict."""
    paths = workspace.run(spec.name)
    test = load_probs(paths.test_probs)
    if isinstance(spec, RunSpec):
        config = read_record(paths.config, RunConfig)
        if test.made_from != name_networks(paths, paths.finished_folds(), config.digits_sha256):
            return False
    settings = (spec if isinstance(spec, RunSpec) else spec.members[0]).settings
    competition = get_competition(settings.competition)
    predicted = submission_bytes(competition, test.ids, test.probs.argmax(axis=1))
    return workspace.submission(spec.name).read_bytes() == predicted
