"""Runs trained on another machine: packed into one script here, trained there, laid down here.

The script holds the package itself, the folds and what is to be trained, and needs nothing but the
competition's files and the libraries that training imports. What is finished when its time is up
comes home; the rest is left to another session.
"""

import base64
import contextlib
import importlib.util
import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from string import Template
from typing import Any, Self

import torch

from pipeline.console import ConsoleReporter, Reporter
from pipeline.data.competition import get_competition
from pipeline.data.files import Record, locked, read_record, sha256, write_record
from pipeline.data.intake import take_in
from pipeline.errors import UserError
from pipeline.runs.records import FoldFacts, RunConfig
from pipeline.runs.results import check_fold
from pipeline.runs.spec import RunSpec, fingerprint, spec_differences
from pipeline.runs.workspace import RunPaths, Workspace
from pipeline.settings.fields import parse_settings
from pipeline.training.fold import fold_name
from pipeline.training.run import train_run
from pipeline.training.versions import library_versions

_PACKAGE = Path(__file__).parents[1]
_JOB, _FOLDS = "job.json", "folds.csv"
_RUNS, _RECORD = "runs.tar", "session.json"
_ENDING_S = 120.0
"""Before the time is up: what it takes to stop and to pack."""
_TRAVELS = {".py", ".toml"}

_SCRIPT = Template('''\
"""Made by `make kernel`: trains $what.

What it unpacks is the pipeline as it was on the machine that packed it; the data are the
competition's own.
"""

import base64
import io
import os
import subprocess
import sys
import tarfile
import tempfile

PACKED = "$packed"


def main() -> None:
    folder = tempfile.mkdtemp()
    with tarfile.open(fileobj=io.BytesIO(base64.b85decode(PACKED)), mode="r:xz") as archive:
        archive.extractall(folder, filter="data")
    inputs = os.environ.get("KERNEL_INPUT", "/kaggle/input")
    command = [sys.executable, "-u", "-m", "pipeline.training.session", inputs, os.getcwd()]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout:  # by this process: what children print may not be in the log
            print(line, end="", flush=True)
    sys.exit(process.returncode)


if __name__ == "__main__":
    main()
''')


class JobRun(Record):
    """A run to train: what `RunSpec` says, and which of its folds are left."""

    name: str
    preset: str
    settings: dict[str, Any]
    recipe: str
    network: str | None
    folds_left: str

    @classmethod
    def of(cls, spec: RunSpec, folds_left: str) -> Self:
        """Return a run as text and numbers."""
        settings = spec.settings.model_dump()
        return cls(**asdict(spec) | {"settings": settings, "folds_left": folds_left})

    @property
    def spec(self) -> RunSpec:
        """The run as the user asked for it."""
        return self._spec({})

    @property
    def left(self) -> RunSpec:
        """What is left of it, to be trained by whatever there is."""
        there = {"device": "auto", "jobs": "auto", "num_workers": "auto", "cluster": ""}
        return self._spec(there | {"folds": self.folds_left})

    def _spec(self, overrides: dict[str, str]) -> RunSpec:
        settings = parse_settings(self.settings | overrides, "the session's job")
        return RunSpec(self.name, self.preset, settings, self.recipe, self.network)


class Job(Record):
    """What a session is to do, on which data, and in how many seconds."""

    competition: str
    digits_sha256: str
    seconds: float
    runs: list[JobRun]


class SessionRecord(Record):
    """What a session leaves last of all: how it ended, with what, and the sum of what it made."""

    ended: str  # "finished", "out of time", or what went wrong
    runs_sha256: str
    libraries: dict[str, str]
    python: str


class OutOfTimeError(Exception):
    """The session's time is nearly up."""


def pack(job: Job, folds: Path, what: str) -> str:
    """Return the script that does the job with these folds, as text."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz", preset=9) as archive:
        # tomli_w writes the records, is small, and is not everywhere.
        tomli_w = importlib.util.find_spec("tomli_w")
        assert tomli_w is not None
        assert tomli_w.origin is not None
        for folder in (_PACKAGE, Path(tomli_w.origin).parent):
            for file in sorted(folder.rglob("*")):
                if file.suffix in _TRAVELS:
                    archive.add(file, str(file.relative_to(folder.parent)), filter=_anonymous)
        archive.add(folds, _FOLDS, filter=_anonymous)
        content = job.model_dump_json().encode()
        member = tarfile.TarInfo(_JOB)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    packed = base64.b85encode(buffer.getvalue()).decode()
    return _SCRIPT.substitute(what=what, packed=packed)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Nobody's file, of no time: the same content packs into the same script."""
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    member.mode = 0o644
    return member


# ---- There


def main(inputs: Path, output: Path) -> None:
    """Do the job of the current folder, on the files below `inputs`; leave `output` two files."""
    reporter, workspace = ConsoleReporter(), Workspace(Path())
    job = read_record(Path(_JOB), Job)
    _pack_runs(job, workspace, output, "not finished")
    try:
        with _time_limit(job.seconds - _ENDING_S):
            _take_in(job, workspace, inputs, reporter)
            _train(job, workspace, output, reporter)
        ended = "finished"
    except OutOfTimeError:
        ended = "out of time"
    except (UserError, OSError) as error:
        ended = str(error)
    reporter.line(f"the session ended: {ended}")
    _pack_runs(job, workspace, output, ended)


@contextlib.contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raise an `OutOfTimeError` in the block when so many seconds have gone."""

    def stop(*_: object) -> None:
        raise OutOfTimeError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _take_in(job: Job, workspace: Workspace, inputs: Path, reporter: Reporter) -> None:
    """Read the competition's files, wherever they are mounted, and take the folds from home."""
    competition = get_competition(job.competition)
    folders = [path.parent for path in sorted(inputs.rglob(competition.train_file))]
    if not folders:
        raise UserError(
            f"there is no {competition.train_file} below {inputs}: the session was given no files "
            f"of {competition.slug}; accept the rules at {competition.url}/rules."
        )
    paths = workspace.input(competition)
    paths.folder.mkdir(parents=True, exist_ok=True)

    def nothing_to_download(*_: object) -> Path:
        raise AssertionError

    manifest = take_in(
        paths, reporter, download=nothing_to_download, source=folders[0], any_size=True
    )
    if manifest.digits_sha256 != job.digits_sha256:
        raise UserError(
            f"the digits in {folders[0]} are others than those at home; fetch them there anew: "
            "`make data FORCE=1`."
        )
    Path(_FOLDS).replace(paths.folds)


def _train(job: Job, workspace: Workspace, output: Path, reporter: Reporter) -> None:
    """Train run after run, all folds on all devices; then single networks, one on each device."""
    specs = [run.left for run in job.runs]
    num_devices = max(1, torch.cuda.device_count())
    single = [spec for spec in specs if len(spec.settings.fold_numbers) == 1]
    if num_devices == 1 or len(single) == 1:
        single = []
    for spec in specs:
        if spec not in single:
            train_run(spec, workspace, reporter, show_network=False)
            _pack_runs(job, workspace, output, "not finished")
    started: list[subprocess.Popen[str]] = []
    with ThreadPoolExecutor(num_devices) as pool:
        devices = (str(number % num_devices) for number in range(len(single)))
        try:
            list(pool.map(partial(_train_alone, started), single, devices))
        except BaseException:  # or the pool would wait for their end
            for process in started:
                process.kill()
            raise


def _train_alone(started: list[subprocess.Popen[str]], spec: RunSpec, device: str) -> None:
    """Train one run in a process that sees one device only; say what it says."""
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "pipeline.training.session", spec.name],
        env=os.environ | {"CUDA_VISIBLE_DEVICES": device},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        started.append(process)
        assert process.stdout is not None
        for line in process.stdout:
            print(f"{spec.name}: {line}", end="", flush=True)
    if process.returncode:
        raise UserError(f"the training of {spec.name} failed; the log says why.")


def _pack_runs(job: Job, workspace: Workspace, output: Path, ended: str) -> None:
    """Leave the finished folds of each run, its configuration, and a record of how it ended."""
    archive_file = output / _RUNS
    with tarfile.open(archive_file, "w") as archive:
        for run in job.runs:
            paths = workspace.run(run.name)
            files = [paths.config] if paths.config.exists() else []
            for fold in paths.finished_folds():
                there = paths.fold(fold)
                files += [f for f in sorted(there.folder.iterdir()) if f != there.checkpoint]
            for file in files:
                archive.add(file, str(file.relative_to(workspace.root / "runs")))
    record = SessionRecord(
        ended=ended,
        runs_sha256=sha256(archive_file),
        libraries=library_versions(),
        python=sys.version.split()[0],
    )
    write_record(output / _RECORD, record)


# ---- Here again


def lay_down(
    job: Job, folder: Path, place: str, workspace: Workspace, reporter: Reporter
) -> SessionRecord:
    """Put what a session made, downloaded into `folder`, where it would be had it been made here.

    What is finished here already stays. `place` says where the session was. Its record is returned.

    Raises:
        FileNotFoundError: The session left no record.
        UserError: What came is not what it left, or not what was asked for.
    """
    record = read_record(folder / _RECORD, SessionRecord, mend="run the same command again")
    archive_file = folder / _RUNS
    if not archive_file.exists() or sha256(archive_file) != record.runs_sha256:
        raise UserError(
            f"what came from {place} is not what it left ({_RUNS} has another checksum); run the "
            "same command again, which fetches it again."
        )
    versions = ", ".join(f"{name} {version}" for name, version in record.libraries.items())
    with tarfile.open(archive_file) as archive:
        archive.extractall(folder / "runs", filter="data")
    for run in job.runs:
        came = RunPaths(folder / "runs" / run.name)
        if came.config.exists():
            _take_over(run.spec, came, workspace, f"{place}, with {versions}", reporter)
    return record


def _take_over(
    spec: RunSpec, came: RunPaths, workspace: Workspace, place: str, reporter: Reporter
) -> None:
    """Take over the folds of one run that are new here, and its configuration if it has none."""
    paths = workspace.run(spec.name)
    theirs = read_record(came.config, RunConfig)
    if changes := spec_differences(theirs, spec):
        raise UserError(f"run {spec.name} came back as another: {'; '.join(changes)}.")
    with locked(paths.lock, f"run {spec.name}"):
        if not paths.config.exists():
            asked = spec.settings.model_dump()  # all folds, where the session had what was left
            write_record(paths.config, theirs.model_copy(update={"settings": asked}))
        elif fingerprint(read_record(paths.config, RunConfig)) != fingerprint(theirs):
            raise UserError(
                f"run {spec.name} here is of other data or code than that of {place}; give one of "
                "them another name with RUN=."
            )
        for number in came.finished_folds():
            new, old = came.fold(number), paths.fold(number)
            if old.is_finished():
                continue
            check_fold(new)
            if new.facts.exists():
                facts = read_record(new.facts, FoldFacts)
                write_record(new.facts, facts.model_copy(update={"place": place}))
            shutil.rmtree(old.folder, ignore_errors=True)
            shutil.move(new.folder, old.folder)
            reporter.line(f"{spec.name}: {fold_name(number)} is here, trained by {place}")


if __name__ == "__main__":
    if len(sys.argv) == 2:
        alone = next(run for run in read_record(Path(_JOB), Job).runs if run.name == sys.argv[1])
        train_run(alone.left, Workspace(Path()), ConsoleReporter(), show_network=False)
    else:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
