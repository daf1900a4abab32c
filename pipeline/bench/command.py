"""Times a command line as a user types it, and the memory of its largest process."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from pipeline.bench import child
from pipeline.errors import UserError


@dataclass(frozen=True)
class Done:
    """A command that succeeded.

    Attributes:
        seconds: From its start to its end.
        peak_bytes: Resident memory of its largest process at its peak.
        output: What it printed.
    """

    seconds: float
    peak_bytes: int
    output: str


def run_command(arguments: list[str], folder: Path) -> Done:
    """Run a command in a folder and wait for it.

    Raises:
        UserError: It failed; the sentence ends in its last words.
    """
    # A make that is called by make would inherit its targets' knobs.
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    printed = subprocess.run(
        [sys.executable, str(Path(child.__file__).resolve()), *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        check=True,
    ).stdout
    done = json.loads(printed)
    if done["returncode"] != 0:
        words = done["output"].strip().splitlines() or ["no words"]
        raise UserError(f"`{' '.join(arguments)}` failed in the benchmark: {words[-1]}")
    return Done(done["seconds"], done["peak_bytes"], done["output"])
