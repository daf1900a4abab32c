"""A script on Kaggle's own machines, by way of the `kaggle` command: push, look after it, fetch.

Kaggle calls such a script a kernel. The command says nearly everything with exit code 0, refusals
too, so its words decide. Written for `kaggle` 2.2.5.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from pipeline.data.competition import Competition
from pipeline.kaggle.command import CommandTimeout, Output, run_kaggle
from pipeline.kaggle.faults import KaggleFault, fault_of

LARGEST_SCRIPT = 700_000
"""Bytes of source. 720,896 were accepted and 2.8 million were not, by report."""
SLUG_LENGTH = 50
"""Characters of a title at most, by report; the slug is made from it."""

_CALL_TIMEOUT_S = 120.0
_FETCH_TIMEOUT_S = 1800.0


@dataclass(frozen=True)
class Status:
    """How far a pushed script is: "queued", "running", "complete", "error" or "cancelled"."""

    state: str
    failure: str = ""  # what Kaggle says of an error

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ("complete", "error", "cancelled")


@dataclass(frozen=True)
class Quota:
    """GPU hours left this week, and when there will be more, as Kaggle writes it."""

    hours_left: float
    until: str


def user_name(competition: Competition) -> str:
    """Return the name of the account that the credentials are of."""
    output = _call(competition, "config", "view")
    found = re.search(r"^- username: (\S+)$", output.stdout, re.MULTILINE)
    if output.code != 0 or found is None or found[1] == "None":
        raise fault_of(output, competition)
    return found[1]


def quota(competition: Competition) -> Quota | None:
    """Return what is left of the week's GPU hours; None if Kaggle does not tell."""
    try:
        output = _call(competition, "quota", "--format", "json")
        rows = json.loads(output.stdout[output.stdout.index("[") :])
        gpu = next(row for row in rows if row["resource"] == "GPU")
        return Quota(float(gpu["remaining"].removesuffix("h")), str(gpu.get("refreshAt") or ""))
    except (KaggleFault, ValueError, LookupError, StopIteration, AttributeError, TypeError):
        return None


def push(competition: Competition, ref: str, script: str, folder: Path, limit_s: float) -> str:
    """Start a script, for so many seconds at most, and return the address of its page.

    It is private, has the competition's files and two T4, and no internet. `ref` is "owner/slug";
    the files that the command wants are written into `folder`.

    Raises:
        KaggleFault: Kaggle refuses, or may have done it although no answer came (`refused`).
    """
    metadata = {
        "id": ref,
        "title": ref.partition("/")[2],
        "code_file": "script.py",
        "language": "python",
        "kernel_type": "script",
        "is_private": True,
        "enable_gpu": True,
        "enable_internet": False,
        "machine_shape": "NvidiaTeslaT4",
        "competition_sources": [competition.slug],
    }
    folder.joinpath("script.py").write_text(script, encoding="utf-8")
    folder.joinpath("kernel-metadata.json").write_text(json.dumps(metadata), encoding="utf-8")
    output = _call(
        competition, "kernels", "push", "--path", str(folder), "--timeout", str(int(limit_s))
    )
    if output.code != 0:
        raise fault_of(output, competition)
    if refused := re.search(r"Kernel push error: (.*)", output.stdout):
        raise KaggleFault(_explain(refused[1].strip(), competition), refused=True)
    found = re.search(r"successfully pushed\..*?(https?://\S+)", output.stdout)
    if found is None:
        raise KaggleFault(
            f'Kaggle did not say whether it took the script ("{_first_line(output)}"); run the '
            "same command again, which looks first.",
            refused=False,
        )
    if "not valid competition sources" in output.stdout:
        raise KaggleFault(
            f"the script was started at {found[1]} without the files of {competition.slug}, and "
            f"will end by itself; accept the rules at {competition.url}/rules, then run the same "
            "command again with FORCE=1.",
            refused=False,
        )
    return found[1]


def _explain(said: str, competition: Competition) -> str:
    """Why a script was refused, and what to do."""
    words = said.lower()
    if "session count" in words:
        return (
            f"two of your GPU sessions are running at Kaggle already ({said}); wait until one has "
            "ended, or stop one at https://www.kaggle.com/code, then run the same command again."
        )
    if "quota" in words:
        left = quota(competition)
        when = f"after {left.until}" if left and left.until else "when the week is over"
        return (
            f"your GPU hours of this week are used up ({said}); run the same command again {when}."
        )
    if re.search(r"\bphone\b|verif", words):
        return (
            "Kaggle gives GPUs to accounts with a verified phone number; see "
            f"https://www.kaggle.com/settings, then run the same command again ({said})."
        )
    return f'Kaggle refused the script with the words "{said}"; nothing was started.'


def status(competition: Competition, ref: str) -> Status | None:
    """Return how far a script is; None if there is no such one, or it is not yours."""
    output = _call(competition, "kernels", "status", ref)
    found = re.search(r'has status "(?:\w+\.)?(\w+)"', output.stdout)
    if found is None:
        if re.search(r"Cannot access kernel|not found", output.stdout + output.stderr, re.I):
            return None
        raise fault_of(output, competition)
    state = found[1].lower()
    names = {"new_script": "queued", "cancel_requested": "running"}
    if state.startswith("cancel_ack"):
        state = "cancelled"
    failure = re.search(r'Failure message: "(.*)"', output.stdout, re.DOTALL)
    return Status(names.get(state, state), failure[1].strip() if failure else "")


def log_lines(competition: Competition, ref: str) -> list[str]:
    """Return what the script printed so far; nothing if Kaggle does not tell yet."""
    try:
        output = _call(competition, "kernels", "logs", ref)
    except KaggleFault:
        return []
    text = output.stdout.strip() if output.code == 0 else ""
    try:  # an array of {stream_name, time, data}, the end of which may be missing
        events = json.loads(text if text.endswith("]") else text.rstrip(",\n ") + "]")
        text = "".join(str(event.get("data", "")) for event in events)
    except (ValueError, AttributeError):
        pass
    return [line.rstrip() for line in text.splitlines()]


def fetch(competition: Competition, ref: str, folder: Path) -> None:
    """Download what the script left into a folder."""
    output = _call(
        competition,
        *("kernels", "output", ref, "--path", str(folder), "--force", "--quiet"),
        timeout_s=_FETCH_TIMEOUT_S,
    )
    if output.code != 0:
        raise fault_of(output, competition)


def _call(competition: Competition, *arguments: str, timeout_s: float = _CALL_TIMEOUT_S) -> Output:
    try:
        return run_kaggle(*arguments, timeout_s=timeout_s)
    except CommandTimeout:
        raise KaggleFault(
            f"Kaggle did not answer in time (`kaggle {' '.join(arguments[:2])}` was stopped); "
            "check the network and run the same command again.",
            refused=False,
        ) from None


def _first_line(output: Output) -> str:
    text = (output.stdout + output.stderr).strip()
    return text.splitlines()[0] if text else "nothing"
