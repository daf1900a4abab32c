"""`make kernel`: train on Kaggle's GPUs what would else be trained here."""

import re
import secrets
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.bench.throughput import training_flops
from pipeline.commands.knobs import Knobs, Text
from pipeline.console import Reporter
from pipeline.data.competition import Competition, get_competition
from pipeline.data.files import Record, locked, read_record, write_record
from pipeline.data.manifest import load_manifest
from pipeline.errors import UserError
from pipeline.kaggle import kernels
from pipeline.kaggle.credentials import check_credentials
from pipeline.kaggle.faults import KaggleFault
from pipeline.kaggle.kernels import Status
from pipeline.networks import create_model
from pipeline.runs.scoring import Accuracy
from pipeline.runs.spec import EnsembleSpec, RunSpec
from pipeline.runs.workspace import Workspace
from pipeline.training.ensemble import train_ensemble
from pipeline.training.forecast import in_words
from pipeline.training.run import prepare_training, train_run, unfinished_folds
from pipeline.training.session import Job, JobRun, lay_down, pack

_MIN_HOURS, _MAX_HOURS = 0.2, 12.0
_MAX_FAILED_POLLS = 5
_STARTING_S = 180.0
_FLOPS = 2 * 4e12
"""Of two T4 with small networks: a sixteenth of what a T4's tensor cores do at best."""


class Pushed(Record):
    """`runs/.kernels/<run>.json`: a session that was asked for and whose runs are not here yet."""

    ref: str  # owner/slug
    job: Job
    url: str = ""  # of its page; empty until Kaggle has said that it took it


@dataclass(frozen=True)
class Kernel(Knobs):
    """Train on Kaggle's GPUs: push the code and the settings, wait, fetch what was made."""

    hours: Text = "1"
    """The session's time limit, 0.2 to 12; what is finished by then comes home."""
    force: bool = False
    """Forget a session that was started before, and start another."""

    def __call__(
        self, workspace: Workspace, reporter: Reporter, *, poll_s: float = 20.0
    ) -> Accuracy | None:
        """Train what is not finished yet, there, and lay it down as the run it is.

        What was asked for is written down first: the same command goes on waiting, and fetches.
        Return the accuracy on the validation images, as `Train` does.
        """
        spec, competition = self.specify_any(workspace), get_competition(self.competition)
        state_file = workspace.kernel(spec.name)
        with locked(state_file.with_suffix(".lock"), f"the session of {spec.name}"):
            if self.force:
                state_file.unlink(missing_ok=True)
            if left := _left(spec, workspace):
                if not competition.on_kaggle:
                    raise UserError(
                        f"{competition.slug} is not on Kaggle; `make train` trains it here."
                    )
                check_credentials("or train here: `make train` with the same knobs.")
                session = _Session(spec.name, competition, workspace, reporter)
                session.run(left, self._seconds(), poll_s)
            if left := _left(spec, workspace):
                raise UserError(
                    f"of {spec.name}, {_count(left)} left to train; the same command trains the "
                    "rest in another session, `make train` with the same knobs here."
                )
        if isinstance(spec, RunSpec):
            return train_run(spec, workspace, reporter)
        return train_ensemble(spec, workspace, reporter)

    def _seconds(self) -> float:
        try:
            hours = float(self.hours)
        except ValueError:
            hours = 0.0
        if not _MIN_HOURS <= hours <= _MAX_HOURS:
            raise UserError(
                f"HOURS={self.hours} must be a number of hours, {_MIN_HOURS:g} to {_MAX_HOURS:g}."
            )
        return hours * 3600


def _left(spec: RunSpec | EnsembleSpec, workspace: Workspace) -> list[JobRun]:
    """The runs with networks that are not finished here."""
    left = []
    for run in [spec] if isinstance(spec, RunSpec) else spec.members:
        if folds := unfinished_folds(prepare_training(run, workspace), workspace.run(run.name)):
            text = run.settings.folds if run.settings.all_data else ",".join(map(str, folds))
            left.append(JobRun.of(run, text))
    return left


def _count(runs: Sequence[JobRun]) -> str:
    number = sum(len(run.left.settings.fold_numbers) for run in runs)
    return f"{number} network{'' if number == 1 else 's'}"


def _foretell(runs: Sequence[JobRun], competition: Competition) -> float:
    """Seconds by arithmetic alone: nothing here has measured a T4."""
    seconds = _STARTING_S
    for run in runs:
        settings = run.left.settings
        model = create_model(
            settings.model, competition.image_shape, competition.num_classes, settings.dropout
        )
        share = 1.0 if settings.all_data else 1.0 - settings.valid
        num_images = competition.num_train * share * settings.epochs * len(settings.fold_numbers)
        seconds += num_images * training_flops(model, competition.image_shape) / _FLOPS
    return seconds


@dataclass(frozen=True)
class _Session:
    """A run's way to Kaggle's machines and back; what is on the disk is always up to date."""

    name: str
    competition: Competition
    workspace: Workspace
    reporter: Reporter

    @property
    def state_file(self) -> Path:
        return self.workspace.kernel(self.name)

    def run(self, left: list[JobRun], seconds: float, poll_s: float) -> None:
        """Ask for a session, unless that was done, wait for its end, lay down what it made."""
        try:
            pushed = read_record(self.state_file, Pushed)
        except FileNotFoundError:
            pushed = self._push(self._new(left, seconds))
        else:
            # Without an address it is of a call that did not live to hear the answer.
            found = pushed if pushed.url else self._find(pushed)
            if found:
                self.reporter.line(f"going on with {found.url}, started before")
            pushed = found or self._push(pushed)
        self._bring_home(pushed, self._wait(pushed, poll_s))
        self.state_file.unlink()

    def _new(self, left: list[JobRun], seconds: float) -> Pushed:
        """What a session is to do, under a name that no other has."""
        job = Job(
            competition=self.competition.slug,
            digits_sha256=load_manifest(self.workspace.input(self.competition)).digits_sha256,
            seconds=seconds,
            runs=left,
        )
        mark = secrets.token_hex(4)
        slug = re.sub("[^a-z0-9]+", "-", self.name.lower())
        slug = slug[: kernels.SLUG_LENGTH - len(mark) - 1].strip("-")
        return Pushed(ref=f"{kernels.user_name(self.competition)}/{slug}-{mark}", job=job)

    def _find(self, pushed: Pushed) -> Pushed | None:
        """The session, if Kaggle has it."""
        if kernels.status(self.competition, pushed.ref) is None:
            return None
        return self._note(pushed, f"https://www.kaggle.com/code/{pushed.ref}")

    def _push(self, pushed: Pushed) -> Pushed:
        job = pushed.job
        script = pack(job, self.workspace.input(self.competition).folds, self.name)
        if len(script) > kernels.LARGEST_SCRIPT:
            raise UserError(
                f"the script would have {len(script):,} bytes, and Kaggle takes about "
                f"{kernels.LARGEST_SCRIPT:,}; is there anything large in pipeline/?"
            )
        seconds = _foretell(job.runs, self.competition)
        self.reporter.line(
            f"{self.name}: {_count(job.runs)} to train on two T4, very roughly in "
            f"{in_words(seconds)} once it has started"
        )
        if seconds > job.seconds:
            self.reporter.line("note: that may be more than HOURS= allows")
        if left := kernels.quota(self.competition):
            hours = f"GPU hours left this week: {left.hours_left:g}"
            if left.hours_left < _MIN_HOURS:
                raise UserError(f"{hours}; there are new ones after {left.until}.")
            self.reporter.line(f"{hours}; this session takes at most {job.seconds / 3600:g}")
        write_record(self.state_file, pushed)  # before it is asked for: no answer may ever come
        try:
            with tempfile.TemporaryDirectory() as folder:
                url = kernels.push(self.competition, pushed.ref, script, Path(folder), job.seconds)
        except KaggleFault as fault:
            if fault.refused:
                self.state_file.unlink()
            raise
        pushed = self._note(pushed, url)
        self.reporter.line(f"started; look at it, or stop it, at {url}")
        self.reporter.line("Ctrl-C leaves it running there, and the same command goes on from here")
        return pushed

    def _note(self, pushed: Pushed, url: str) -> Pushed:
        pushed = pushed.model_copy(update={"url": url})
        write_record(self.state_file, pushed)
        return pushed

    def _wait(self, pushed: Pushed, poll_s: float) -> Status:
        """Show what the session says until it has ended; return how."""
        num_shown, state, num_failed = 0, "", 0
        while True:
            try:
                found = kernels.status(self.competition, pushed.ref)
            except KaggleFault as fault:
                num_failed += 1
                if fault.refused or num_failed == _MAX_FAILED_POLLS:
                    raise UserError(
                        f"{fault} The session goes on at {pushed.url}, and the same command waits "
                        "for it."
                    ) from None
                time.sleep(poll_s)
                continue
            if found is None:
                raise UserError(
                    f"Kaggle knows no session {pushed.ref}, or shows it to another account than "
                    f"this one; look at {pushed.url}. FORCE=1 starts another."
                )
            num_failed = 0
            if found.state != state:
                state = found.state
                self.reporter.line(f"at Kaggle: {state}")
            if state != "queued":
                lines = kernels.log_lines(self.competition, pushed.ref)
                for line in lines[num_shown:]:
                    self.reporter.line(f"  {line}")
                num_shown = max(num_shown, len(lines))
            if found.is_final:
                return found
            time.sleep(poll_s)

    def _bring_home(self, pushed: Pushed, end: Status) -> None:
        """Fetch what the session left and lay it down; say what went wrong there."""
        ended = {"error": "failed", "cancelled": "was stopped"}.get(end.state, "ended")
        what = f"the session at {pushed.url} {ended}"
        what += f' ("{end.failure}")' if end.failure else ""
        runs = self.workspace.root / "runs"
        place = f"Kaggle ({pushed.ref})"
        with tempfile.TemporaryDirectory(dir=runs, prefix=".kernel-") as folder:
            try:
                kernels.fetch(self.competition, pushed.ref, Path(folder))
                record = lay_down(pushed.job, Path(folder), place, self.workspace, self.reporter)
            except FileNotFoundError:
                last = kernels.log_lines(self.competition, pushed.ref)[-1:]
                raise UserError(
                    f"{what} and left nothing"
                    + (f', the last it said is "{last[0]}"' if last else "")
                    + ". FORCE=1 starts another."
                ) from None
        if record.ended not in ("finished", "out of time"):
            more = "" if record.ended == "not finished" else f", and said: {record.ended}"
            raise UserError(f"{what}{more} FORCE=1 starts another.".replace(".. ", ". "))
        if record.ended != "finished":  # the end of its log says that already
            self.reporter.line(f"the session ended: {record.ended}")
