"""Starts `make try`, and finds again what was started.

A try is a process of its own, which goes on when the page is closed or its server ends. What tells
whether it still runs is a lock that it was born with: the operating system frees it with the last
of its processes, however they end.
"""

import contextlib
import fcntl
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pipeline.console import make_command
from pipeline.data.files import Record, read_record, write_record
from pipeline.errors import UserError
from pipeline.runs.history import read_history
from pipeline.runs.records import RunConfig
from pipeline.runs.workspace import Workspace

_MOST_LINES = 200
_EVIDENCE = re.compile(r"(?:evidence\s+)([\d.,]+|more than a million) to 1")


class TryRecord(Record):
    """`runs/.play/try-<number>.json`: what was started."""

    number: int
    competition: str
    preset: str
    augment: str
    started_at: float  # seconds since 1970
    process_group: int


@dataclass(frozen=True)
class _Files:
    folder: Path
    number: int

    @property
    def record(self) -> Path:
        return self.folder / f"try-{self.number}.json"

    @property
    def log(self) -> Path:
        return self.folder / f"try-{self.number}.log"


def start(competition: str, preset: str, augment: str, workspace: Workspace) -> int:
    """Start `make try` of a recipe of `recipes.py` against a preset; return its number.

    Raises:
        UserError: Another is running: two would share the processors and take as long.
    """
    folder = workspace.play
    folder.mkdir(parents=True, exist_ok=True)
    lock = _lock(folder)
    if lock is None:
        raise UserError("a try is running already; stop it first, or let it end.")
    with lock:
        files = _Files(folder, max([0, *_numbers(folder)]) + 1)
        command = [sys.executable, "-m", "pipeline", "try", f"--competition={competition}"]
        command += [f"--augment={augment}", *([f"--preset={preset}"] if preset else [])]
        # The same code as here, wherever the workspace is.
        path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
        with files.log.open("wb") as log:
            log.write(f"$ {_typed(competition, preset, augment)}\n".encode())
            log.flush()
            process = subprocess.Popen(
                command,
                cwd=workspace.root,
                env=os.environ | {"PYTHONPATH": path.rstrip(os.pathsep), "COLUMNS": "100"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=[lock.fileno()],
                start_new_session=True,
            )
        # Reaped here, or it would stay a zombie as long as the page is served.
        _children.append(process)
        write_record(
            files.record,
            TryRecord(
                number=files.number,
                competition=competition,
                preset=preset,
                augment=augment,
                started_at=time.time(),
                process_group=process.pid,
            ),
        )
    return files.number


_children: list["subprocess.Popen[bytes]"] = []


def stop(number: int, workspace: Workspace) -> None:
    """Stop a running try as Ctrl-C does, and if that was done before, at once.

    What it has trained is kept.

    Raises:
        UserError: It is not running.
    """
    newest = max([0, *_numbers(workspace.play)])
    if number != newest or not is_running(workspace):
        raise UserError("this try is not running any more.")
    files = _Files(workspace.play, number)
    record = read_record(files.record, TryRecord)
    asked = files.record.with_suffix(".stopped")
    how = signal.SIGKILL if asked.exists() else signal.SIGINT
    asked.touch()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(record.process_group, how)


def is_running(workspace: Workspace) -> bool:
    """Say whether a try is running."""
    for child in list(_children):
        if child.poll() is not None:
            _children.remove(child)
    if not workspace.play.exists():
        return False
    lock = _lock(workspace.play)
    if lock is None:
        return True
    lock.close()
    return False


def list_tries(workspace: Workspace) -> list[dict[str, Any]]:
    """Return what is known of each try, the newest first: what was typed, and what it said."""
    running = is_running(workspace)
    numbers = sorted(_numbers(workspace.play), reverse=True)
    return [_describe(n, running and n == numbers[0], workspace) for n in numbers[:20]]


def _describe(number: int, running: bool, workspace: Workspace) -> dict[str, Any]:
    files = _Files(workspace.play, number)
    record = read_record(files.record, TryRecord)
    lines = files.log.read_text(encoding="utf-8", errors="replace").splitlines()[-_MOST_LINES:]
    found = _EVIDENCE.findall("\n".join(lines))
    return {
        "number": number,
        "typed": _typed(record.competition, record.preset, record.augment),
        "startedAt": record.started_at,
        "running": running,
        "stopping": files.record.with_suffix(".stopped").exists(),
        "lines": lines,
        "evidence": found[-1] if found else "",
        "trainings": _trainings(record.started_at, workspace) if running else [],
    }


def _trainings(since: float, workspace: Workspace) -> list[dict[str, Any]]:
    """The trainings that came on since then, epoch by epoch."""
    found = []
    for paths in workspace.runs():
        histories = [h for h in paths.histories() if h.stat().st_mtime >= since]
        if not histories or not paths.config.exists():
            continue
        with contextlib.suppress(UserError, OSError):
            config = read_record(paths.config, RunConfig)
            for history in histories:
                epochs = read_history(history)
                found.append(
                    {
                        "run": config.run,
                        "training": history.parent.name,
                        "epochs": int(config.settings["epochs"]),
                        "accuracies": [each.valid.value for each in epochs if each.valid_total],
                    }
                )
    return found


def _typed(competition: str, preset: str, augment: str) -> str:
    other = "" if competition == "digit-recognizer" else competition
    return make_command("try", {"COMPETITION": other, "PRESET": preset, "AUGMENT": augment})


def _numbers(folder: Path) -> list[int]:
    found = (re.fullmatch(r"try-(\d+)\.json", path.name) for path in folder.glob("try-*.json"))
    return [int(match[1]) for match in found if match]


def _lock(folder: Path) -> IO[bytes] | None:
    """The lock that every try holds, open; None while one runs."""
    lock = (folder / "try.lock").open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return None
    return lock
