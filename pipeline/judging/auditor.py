"""Audit a competition's data and runs by what lies on the disk."""

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline.console import Reporter
from pipeline.data.competition import Competition
from pipeline.data.digits import Digits
from pipeline.data.digits_cache import load_digits
from pipeline.data.files import sha256
from pipeline.data.folds import read_folds
from pipeline.data.manifest import load_manifest
from pipeline.data.predictions_csv import read_predictions
from pipeline.errors import UserError
from pipeline.judging.checks import (
    Check,
    check_data,
    check_held_out,
    check_mean,
    check_plausible,
    findings,
)
from pipeline.judging.neighbours import (
    Neighbours,
    find_nearest,
    find_nearest_across,
    load_neighbours,
    save_neighbours,
)
from pipeline.runs.probs import load_probs
from pipeline.runs.records import EnsembleConfig, RunConfig
from pipeline.runs.results import (
    accuracy_if_validated,
    is_unchanged,
    join_out_of_fold,
    load_out_of_fold,
    name_networks,
    read_config,
    read_run,
)
from pipeline.runs.spec import check_warranted, specify_again
from pipeline.runs.weights import read_network_facts
from pipeline.runs.workspace import Workspace

if TYPE_CHECKING:
    import torch


class Audit:
    """Looks at one competition's data and runs; the data are read once, nothing is written."""

    def __init__(self, competition: Competition, workspace: Workspace) -> None:
        self.competition = competition
        self.workspace = workspace
        self.inputs = workspace.input(competition)

    @cached_property
    def digits(self) -> Digits:
        """All images of the competition."""
        return load_digits(self.inputs)

    @cached_property
    def row_folds(self) -> npt.NDArray[np.int64]:
        """The fold of each row of `train.csv`, (N,)."""
        return read_folds(self.inputs.folds, self.digits.train_labels)

    @cached_property
    def _hashes(self) -> tuple[str, str]:
        """Of digits and folds."""
        return load_manifest(self.inputs).digits_sha256, sha256(self.inputs.folds)

    def search_neighbours(self, device: "torch.device", reporter: Reporter) -> Neighbours:
        """Return the nearest images across train, test and folds, searched for only once."""
        made_from = "/".join(self._hashes)
        if found := load_neighbours(self.inputs, made_from):
            return found
        train, test = self.digits.train_images, self.digits.test_images
        with reporter.bar("comparing images", len(test) + len(train)) as bar:
            found = Neighbours(
                test=find_nearest(test, train, device, bar.advance),
                train=find_nearest_across(train, self.row_folds, device, bar.advance),
            )
        save_neighbours(self.inputs, found, made_from)
        return found

    def check_data(self) -> list[Check]:
        """Look at images, labels and folds; refuse if they are missing or damaged."""
        neighbours = load_neighbours(self.inputs, "/".join(self._hashes))
        names = self.competition.class_names
        return check_data(self.digits, self.row_folds, neighbours, names)

    def check_run(self, run: str) -> list[Check]:
        """Look at a run or an ensemble, and at its submission if there is one.

        Raises:
            UserError: There is no such run, or one of its files is damaged.
        """
        record = read_run(run, self.workspace)
        digits_sha256, folds_sha256 = self._hashes
        if record.digits_sha256 != digits_sha256:
            return [Check("data", "it was trained on other digits than are here now", passed=False)]
        if record.folds_sha256 != folds_sha256:
            text = "it was trained by another folds.csv: what it held out cannot be told"
            return [Check("data", text, passed=False)]
        if isinstance(record, EnsembleConfig):
            checks = self._check_ensemble(record)
        else:
            checks = self._check_training(record)
        if self.workspace.run(run).oof.exists():
            out_of_fold = load_out_of_fold(run, self.workspace, may_be_empty=True)
            if accuracy := accuracy_if_validated(out_of_fold, self.digits.train_labels):
                checks.append(check_plausible(accuracy, self.competition.most_plausible))
        return checks + self._check_submission(run)

    def _check_training(self, config: RunConfig) -> list[Check]:
        """Look at the files of a single run, from its folds' up to its test probabilities."""
        paths = self.workspace.run(config.run)
        folds = paths.finished_folds()
        if not folds:
            return [Check("training", "not finished yet")]
        parts = {fold: load_probs(paths.fold(fold).oof) for fold in folds}
        claimed = {fold: part.ids for fold, part in parts.items()}
        held_out = check_held_out(claimed, self.row_folds, specify_again(config).settings)
        faults = []
        # The marks are compared with each other, not with today's fingerprint of the settings: a
        # later version of the pipeline may have more of them.
        marks = {part.made_from for part in parts.values()}
        weights = [paths.fold(fold).weights for fold in folds]
        marks |= {str(read_network_facts(file).get("fingerprint")) for file in weights}
        if len(marks) > 1:
            faults.append(
                "weights and validation probabilities of different trainings lie together"
            )
        if paths.oof.exists():
            kept, joined = load_probs(paths.oof).sorted_by_id(), join_out_of_fold(paths)
            pairs = ((kept.ids, joined.ids), (kept.probs, joined.probs))
            if not all(np.array_equal(mine, theirs) for mine, theirs in pairs):
                faults.append("oof.npz is not what its folds say")
        if paths.test_probs.exists():
            made_from = name_networks(paths, folds, config.digits_sha256)
            if load_probs(paths.test_probs).made_from != made_from:
                faults.append("test.npz is not what its networks predict; run make predict")
        if not faults:
            return [held_out, Check("files", "those of this run, and of one another")]
        return [held_out, *(Check("files", text, passed=False) for text in faults)]

    def _check_ensemble(self, record: EnsembleConfig) -> list[Check]:
        """Look at each member, and whether the ensemble is their mean."""
        checks = []
        for member in record.members:
            config = read_config(member.run, self.workspace)
            for text in findings(self._check_training(config)):
                checks.append(Check("member", f"{member.run}: {text}", passed=False))
            if not is_unchanged(member, self.workspace):
                text = f"{member.run} is not as it was when it was averaged; run make predict"
                checks.append(Check("member", text, passed=False))
        paths = self.workspace.run(record.run)
        for what, file, averaged in (
            ("out-of-fold probabilities", "oof", record.validated or record.members),
            ("predictions", "test_probs", record.predicting),
        ):
            whole = load_probs(getattr(paths, file)).sorted_by_id()
            members = [self.workspace.run(member.run) for member in averaged]
            parts = [load_probs(getattr(member, file)).sorted_by_id() for member in members]
            checks.append(check_mean(whole, parts, what))
        if record.validated and len(record.validated) < len(record.members):
            checks.append(self._check_warrant(record))
        return checks

    def _check_warrant(self, record: EnsembleConfig) -> Check:
        """Look whether what was trained on all rows is what was validated, but for seeds."""
        on_all_data, validated = (
            [specify_again(read_config(member.run, self.workspace)) for member in members]
            for members in (record.predicting, record.validated)
        )
        try:
            check_warranted(on_all_data, validated)
        except UserError as error:
            return Check("warrant", str(error), passed=False)
        return Check(
            "warrant",
            f"the {len(on_all_data)} networks that predict were trained on all rows; the accuracy "
            f"is that of {len(validated)} of their kinds, each on rows it held out",
        )

    def _check_submission(self, run: str) -> list[Check]:
        """Look whether the CSV to be uploaded is the run's own, if there is one."""
        csv_file, probs = self.workspace.submission(run), self.workspace.run(run).test_probs
        if not csv_file.exists():
            return []
        if not probs.exists():
            text = f"{csv_file.name} is there, but not the test.npz it should come from"
            return [Check("submission", text, passed=False)]
        mend = f"delete it and run `make predict RUN={run}`"
        ids, labels = read_predictions(csv_file, self.competition, mend=mend)
        test = load_probs(probs)
        own = dict(zip(test.ids.tolist(), test.probs.argmax(axis=1).tolist(), strict=True))
        pairs = zip(ids.tolist(), labels.tolist(), strict=True)
        different = sum(own.get(image) != label for image, label in pairs)
        if different or len(own) != len(ids):
            text = f"{different:,} of {len(ids):,} predictions are not the run's own"
            return [Check("submission", text, passed=False)]
        return [Check("submission", f"all {len(ids):,} predictions are the run's own")]
