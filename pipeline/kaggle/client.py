"""What the pipeline asks Kaggle for, by way of the `kaggle` command.

Written for `kaggle` 2.2.5. One call takes about 0.8 s, most of it the command's start.
"""

import csv
import io
import json
import re
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from pipeline.console import Bar, Reporter
from pipeline.data.competition import Competition
from pipeline.kaggle.command import CommandTimeout, Output, run_kaggle
from pipeline.kaggle.credentials import check_credentials
from pipeline.kaggle.faults import KaggleFault, fault_of

_CALL_TIMEOUT_S = 60.0
# 2.2.5 goes on for 369 s with an upload host that cannot be reached.
_SUBMIT_TIMEOUT_S = 600.0
_DOWNLOAD_TIMEOUT_S = 3600.0
# Whatever page size is asked for, Kaggle's pages had 20 submissions (2019) or 50 (since 2024):
# github.com/Kaggle/kaggle-cli/issues/166 and 892. A first page of fewer is the only one.
_SMALLEST_PAGE = 20
_MOST_PAGES = 40
# Between its five attempts the command waits at most 33 s.
_STALL_S = 120.0


@dataclass(frozen=True)
class Submission:
    """One of your submissions.

    Attributes:
        reference: Kaggle's number for it.
        description: The message it was sent with.
        date: When it was made, UTC, as Kaggle writes it: the day first.
        status: "pending", "complete" or "error".
        score: The public score, once there is one.
        error: Why it could not be scored; the list does not tell that, only `ask_for`.
    """

    reference: str
    description: str
    date: str
    status: str
    score: float | None
    error: str = ""


@dataclass(frozen=True)
class Listing:
    """Your submissions, newest first; and why there may be older ones, "" if these are all."""

    submissions: list[Submission]
    missing: str = ""


@dataclass(frozen=True)
class Limits:
    """How many submissions were made today (UTC) and how many more are allowed."""

    num_today: int
    num_left: int


def download(
    competition: Competition, folder: Path, reporter: Reporter, *, stall_s: float = _STALL_S
) -> Path:
    """Download the competition's files as one zip archive whose checksums are right.

    A cut download leaves a part behind, which a later call of the command completes with whatever
    it gets and then calls whole. So nothing of a failed download is kept, and none is ever
    continued by a second call. It is given up when not one byte arrives for `stall_s`.

    Raises:
        UserError: There are no credentials, Kaggle refuses, the download fails, or what arrives
            is damaged twice in a row.
    """
    check_credentials(
        f"or download the zip from {competition.url}/data in a browser and run "
        f"`make data ZIP=~/Downloads/{competition.slug}.zip`."
    )
    name = f"{competition.slug}.zip"
    reporter.line(f"Downloading {name} from Kaggle.")
    damage = ""
    for _ in range(2):
        if damage:
            reporter.line(f"The download was damaged ({damage}); trying once more from the start.")
        with tempfile.TemporaryDirectory(dir=folder) as fresh:
            archive = Path(fresh, name)
            _download_once(competition, archive, reporter, stall_s)
            damage = _damage(archive)
            if not damage:
                return archive.replace(folder / name)
    raise KaggleFault(
        f"Kaggle's {name} arrived damaged twice ({damage}); try again later, or download "
        f"it from {competition.url}/data in a browser and run `make data ZIP=...`.",
        refused=False,
    )


def _download_once(
    competition: Competition, archive: Path, reporter: Reporter, stall_s: float
) -> None:
    """Let the command write `archive`, and show how the file grows."""
    marker = archive.with_name(archive.name + ".kaggle-partial")
    num_bytes, changed_at = 0, time.monotonic()
    bar: Bar | None = None

    def watch() -> None:
        nonlocal num_bytes, changed_at, bar
        size = archive.stat().st_size if archive.exists() else 0
        if bar is None and (total := _announced_size(marker)):
            bar = stack.enter_context(reporter.bar(f"{archive.name}, kB", total // 1000))
        if bar is not None and size > num_bytes:
            bar.advance(size // 1000 - num_bytes // 1000, f"{size / 1e6:.1f} MB")
        if size != num_bytes:
            num_bytes, changed_at = size, time.monotonic()
        elif time.monotonic() - changed_at > stall_s:
            raise CommandTimeout

    with ExitStack() as stack:
        output = _call(
            competition,
            *("download", competition.slug, "--path", str(archive.parent), "--force", "--quiet"),
            timeout_s=_DOWNLOAD_TIMEOUT_S,
            on_tick=watch,
        )
    if output.code != 0 and "does not match expected size" not in output.stdout + output.stderr:
        raise fault_of(output, competition)
    if not archive.exists():
        # A web page in place of the redirect is saved as "<slug>.CompetitionApiService/...", with
        # exit code 0.
        pages = [path for path in archive.parent.rglob("*") if path.is_file() and path != marker]
        start = pages[0].read_bytes()[:1000].decode(errors="replace") if pages else ""
        raise fault_of(Output(output.code, start or "no archive came", ""), competition)


def _announced_size(marker: Path) -> int | None:
    """The archive's full size in bytes, from the note that the command keeps while it loads."""
    try:
        return int(json.loads(marker.read_bytes())["size"])
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _damage(archive: Path) -> str:
    """What is wrong with the archive; empty if every member's checksum is right."""
    try:
        with zipfile.ZipFile(archive) as opened:
            bad = opened.testzip()
    # An encrypted member is a RuntimeError, an unknown compression a NotImplementedError.
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError) as error:
        return str(error) or type(error).__name__
    return f"wrong checksum of {bad}" if bad else ""


def submit(competition: Competition, csv_file: Path, message: str) -> None:
    """Upload a file and ask for its scoring.

    Returning proves nothing: look for the submission in `list_submissions`.

    Raises:
        KaggleFault: The command failed; its `refused` tells whether the submission may
            nevertheless have been made.
        UserError: There are no credentials, or no `kaggle` command.
    """
    check_credentials(f"or upload {csv_file} at {competition.url}/submit in a browser.")
    output = _call(
        competition,
        *("submit", competition.slug, f"--file={csv_file}", f"--message={message}", "--quiet"),
        timeout_s=_SUBMIT_TIMEOUT_S,
    )
    if output.code != 0:
        raise fault_of(output, competition)


def list_submissions(competition: Competition, *, until: str = "") -> Listing:
    """Return your submissions, newest first, from as many pages as Kaggle has.

    With `until`, no further than to the page with a submission whose message contains this.

    Raises:
        KaggleFault: The command failed on the first page; on a later one, the list ends there.
        UserError: There are no credentials, or no `kaggle` command.
    """
    check_credentials(f"or look at {competition.url}/submissions in a browser.")
    found: dict[str, Submission] = {}
    for page in range(1, _MOST_PAGES + 1):
        try:
            listed = _list_page(competition, page)
        except KaggleFault as fault:
            if page == 1:
                raise
            return Listing(list(found.values()), f"Kaggle did not show more of them: {fault}")
        new = {each.reference: each for each in listed if each.reference not in found}
        found |= new
        if until and any(until in each.description for each in new.values()):
            break
        if not listed or (page == 1 and len(listed) < _SMALLEST_PAGE):
            return Listing(list(found.values()))
        if not new:
            return Listing(list(found.values()), "Kaggle shows the same page again and again.")
    return Listing(list(found.values()), f"only the newest {len(found):,} were read.")


def _list_page(competition: Competition, page: int) -> list[Submission]:
    output = _call(
        competition,
        *("submissions", competition.slug, "--csv", "--quiet", "--page-size=200"),
        page=page,
    )
    # Warnings, for one about the access rights of kaggle.json, come before the table.
    table = re.search(r"^ref,", output.stdout, re.MULTILINE)
    if output.code != 0 or (table is None and "No submissions found" not in output.stdout):
        raise fault_of(output, competition)
    if table is None:
        return []
    rows = csv.DictReader(io.StringIO(output.stdout[table.start() :], newline=""))
    return [
        Submission(
            reference=row["ref"],
            description=row.get("description") or "",
            date=row.get("date") or "",
            # Printed as "SubmissionStatus.COMPLETE".
            status=(row.get("status") or "pending").rpartition(".")[2].lower(),
            score=_number(row.get("publicScore") or ""),
        )
        for row in rows
    ]


def ask_for(competition: Competition, reference: str) -> Submission | None:
    """Return the submission of that number; None if Kaggle does not tell."""
    try:
        output = _call(competition, "submission", reference)
    except KaggleFault:
        return None
    # A name and its value in each line; further lines of a value are indented below the first.
    rows = re.findall(r"^(\S[^:\n]*): *(.*(?:\n .*)*)", output.stdout, re.MULTILINE)
    told = {name: " ".join(value.split()) for name, value in rows}
    if output.code != 0 or told.get("Submission Ref") != reference:
        return None
    return Submission(
        reference=reference,
        description=told.get("Description", ""),
        date=told.get("Submission Date", ""),
        status=told.get("Status", "pending").lower(),
        score=_number(told.get("Public Score", "")),
        error=told.get("Error", ""),
    )


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def submission_limits(competition: Competition) -> Limits | None:
    """Return how many submissions are left today; None if Kaggle does not tell."""
    try:
        output = _call(competition, "submission-limits", competition.slug, "--json", "--quiet")
        values = json.loads(output.stdout[output.stdout.index("{") :])
        # Zeros are left out of the answer.
        return Limits(int(values.get("numToday", 0)), int(values.get("numAllowedNow", 0)))
    except (KaggleFault, ValueError):
        return None


def _call(
    competition: Competition,
    *arguments: str,
    timeout_s: float = _CALL_TIMEOUT_S,
    on_tick: Callable[[], None] = lambda: None,
    page: int = 1,
) -> Output:
    """Run `kaggle competitions ...`; a timeout becomes a fault."""
    arguments = ("competitions", *arguments)
    try:
        return run_kaggle(*arguments, timeout_s=timeout_s, on_tick=on_tick, page=page)
    except CommandTimeout:
        raise KaggleFault(
            f"Kaggle did not answer in time (`kaggle {' '.join(arguments[:2])}` for "
            f"{competition.slug} was stopped); check the network and run the same command again.",
            refused=False,
        ) from None
