"""The `kaggle` command as a process: where it is, what it is told, what of its words is kept.

It is never imported: `import kaggle` reads credentials, talks to the network and may exit at
import time.
"""

import contextlib
import functools
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UserError
from pipeline.kaggle.hiding import known_secrets, scrub

# Older ones report a refused upload as a success, and go on with a download by an error page.
OLDEST_VERSION = (2, 2, 5)

# The command line knows no pages of the list of submissions, but the function behind it does: so
# the command is started by way of Python, with that one argument set.
_ON_PAGE = """
import functools, sys
import kaggle.cli
api, page = kaggle.cli.api, int(sys.argv.pop(1))
api.competition_submissions_cli = functools.partial(api.competition_submissions_cli, page=page)
sys.exit(kaggle.cli.main())
"""

_TICK_S = 0.2
_VERSION_TIMEOUT_S = 60.0

# All that the command gets from our environment. What is missing on purpose: VERBOSE, which makes
# it print the Authorization header, every other KAGGLE_* variable, since each of them becomes a
# setting of the command, and PYTHON*, which would reach into its interpreter.
_PASSED_ON = (
    *("HOME", "PATH", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "TEMP", "TMP", "XDG_CONFIG_HOME"),
    *("USERPROFILE", "HOMEDRIVE", "HOMEPATH", "APPDATA", "LOCALAPPDATA", "SYSTEMROOT"),
    *("LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_CONFIG_DIR"),
    "KAGGLE_API_ENVIRONMENT",
)


@dataclass(frozen=True)
class Output:
    """A finished command's exit code, and what it printed, secrets removed."""

    code: int
    stdout: str
    stderr: str


class CommandTimeout(Exception):
    """The command was stopped because it took too long."""


def run_kaggle(
    *arguments: str,
    timeout_s: float,
    on_tick: Callable[[], None] = lambda: None,
    page: int = 1,
) -> Output:
    """Run `kaggle` and return what it printed, whatever its exit code.

    `on_tick` is called a few times per second while it runs; what it raises stops the command. The
    second and later `page` of the list of submissions can be had only from the command that was
    installed with this interpreter; another one fails.

    Raises:
        UserError: There is no such command, or it is too old.
        CommandTimeout: It took longer than `timeout_s`.
    """
    deadline = time.monotonic() + timeout_s
    command = [_executable()]
    if page > 1:
        command = [sys.executable, "-P", "-c", _ON_PAGE, str(page)]  # -P: not a kaggle.py from here
    # --no-warn: no remark about newer versions in front of the tables that are parsed.
    command += ["--no-warn", *arguments]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=command_environment(),
    ) as process:
        try:
            while True:
                try:
                    stdout, stderr = process.communicate(timeout=_TICK_S)
                    break
                except subprocess.TimeoutExpired:
                    if time.monotonic() > deadline:
                        raise CommandTimeout from None
                    on_tick()
        except BaseException:
            process.kill()
            raise
    secrets = known_secrets()
    printed = [scrub(text.decode(errors="replace"), secrets) for text in (stdout, stderr)]
    return Output(process.returncode, *printed)


def command_environment() -> dict[str, str]:
    """Return the environment that the command gets."""
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return passed | {"PYTHONIOENCODING": "utf-8"}


def _executable() -> str:
    """The command that was installed with this interpreter, else the one on the PATH."""
    beside = shutil.which("kaggle", path=str(Path(sys.executable).parent))
    found = beside or shutil.which("kaggle")
    oldest = ".".join(map(str, OLDEST_VERSION))
    mend = f"install it with `{sys.executable} -m pip install kaggle six --upgrade`."
    if found is None:
        raise UserError(
            f"the kaggle command is neither beside {sys.executable} nor on the PATH; {mend}"
        )
    version = _version(found, is_own=found == beside)
    numbers = tuple(map(int, re.findall(r"\d+", version)[:3]))
    if numbers < OLDEST_VERSION:
        which = found if beside else f"none is beside {sys.executable}, and {found} on the PATH"
        told = version or "of a version that it does not tell"
        raise UserError(f"kaggle {oldest} or later is needed, but {which} is {told}; {mend}")
    return found


@functools.cache
def _version(command: str, *, is_own: bool) -> str:
    """The version of a `kaggle` command, "" if it does not tell."""
    if is_own:
        # Asking the command takes 0.7 s, and it may ask Kaggle about a token first.
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version("kaggle")
    try:
        finished = subprocess.run(
            [command, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=command_environment(),
            timeout=_VERSION_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    told = re.search(rb"\d+(\.\d+)+", finished.stdout)
    return told[0].decode() if told else ""
