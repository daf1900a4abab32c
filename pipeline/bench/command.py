"""Times a command line as a user types it, and the memory of its largest process."""

import multiprocessing
import os
import resource
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UserError


@dataclass(frozen=True)
class Done:
    """A command that has ended, and the resident memory of its largest process at its peak."""

    seconds: float
    peak_bytes: int
    exit_code: int
    output: str


def run_command(arguments: list[str], folder: Path) -> Done:
    """Run a command in a folder and wait for it.

    Raises:
        UserError: It failed; the sentence ends in its last words.
    """
    # The peak memory that the system reports of a child includes what its parent held when it was
    # started. The benchmark holds PyTorch, so a new and small process is made that parent.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        done = pool.submit(_run, arguments, folder).result()
    if done.exit_code != 0:
        words = done.output.strip().splitlines() or ["no words"]
        raise UserError(f"`{' '.join(arguments)}` failed in the benchmark: {words[-1]}")
    return done


def _run(arguments: list[str], folder: Path) -> Done:
    """Run a command as this process's first child."""
    # A make that is called by make would inherit its targets' knobs.
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    start = time.perf_counter()
    done = subprocess.run(
        arguments,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - start
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
    return Done(seconds, peak, done.returncode, done.stdout)
