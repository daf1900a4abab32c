"""The `kaggle` command as a process: where it is, what it is told, what it may not give away.

It is never imported: `import kaggle` reads credentials, talks to the network and may exit at
import time.
"""

import base64
import functools
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UserError

# Older ones report a refused upload as a success, and go on with a download by an error page.
OLDEST_VERSION = (2, 2, 5)

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
    """What a finished command left.

    Attributes:
        code: Its exit code.
        stdout, stderr: What it printed, secrets removed.
    """

    code: int
    stdout: str
    stderr: str


class CommandTimeout(Exception):
    """The command was stopped because it took too long."""


def run_kaggle(
    *arguments: str, timeout_s: float, on_tick: Callable[[], None] = lambda: None
) -> Output:
    """Run `kaggle` and return what it printed, whatever its exit code.

    Args:
        *arguments: The command line behind `kaggle`.
        timeout_s: Stop it after so long; it sets no time limits of its own.
        on_tick: Called a few times per second while it runs; what it raises stops the command.

    Raises:
        UserError: There is no such command, or it is too old.
        CommandTimeout: It took longer than `timeout_s`.
    """
    deadline = time.monotonic() + timeout_s
    # --no-warn: no remark about newer versions in front of the tables that are parsed.
    command = [_executable(), "--no-warn", *arguments]
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
    secrets = _secrets()
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
        try:
            return importlib.metadata.version("kaggle")
        except importlib.metadata.PackageNotFoundError:
            pass
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


def _config_file() -> Path:
    """`kaggle.json`, where the command looks for it."""
    if folder := os.environ.get("KAGGLE_CONFIG_DIR"):
        return Path(folder, "kaggle.json")
    home = Path("~/.kaggle").expanduser()
    if sys.platform.startswith("linux") and not home.exists():
        config = os.environ.get("XDG_CONFIG_HOME") or Path("~/.config").expanduser()
        return Path(config, "kaggle", "kaggle.json")
    return home / "kaggle.json"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""


def _read_json(path: Path) -> dict[str, str]:
    try:
        content = json.loads(_read(path) or "{}")
    except ValueError:
        return {}
    values = content.items() if isinstance(content, dict) else ()
    return {name: value for name, value in values if isinstance(value, str)}


def _tokens() -> Iterator[tuple[str, str]]:
    """(where, value) of every API token, in the order in which the command tries them."""
    if token := os.environ.get("KAGGLE_API_TOKEN", ""):
        is_file = len(token) < 4096 and Path(token).exists()
        yield "KAGGLE_API_TOKEN", _read(Path(token)) if is_file else token
    for name in ("access_token", "access_token.txt"):
        yield f"~/.kaggle/{name}", _read(Path("~/.kaggle", name).expanduser())


def _login() -> dict[str, str]:
    """User name and key, the environment's before the file's."""
    given = {name: os.environ.get(f"KAGGLE_{name.upper()}", "") for name in ("username", "key")}
    return _read_json(_config_file()) | {name: value for name, value in given.items() if value}


def _oauth() -> dict[str, str]:
    return _read_json(Path("~/.kaggle/credentials.json").expanduser())


def find_credentials() -> str | None:
    """Return where the credentials are that the command will use; None if there are none."""
    for place, token in _tokens():
        if token:
            return place
    login = _login()
    if login.get("username") and login.get("key"):
        from_environment = os.environ.get("KAGGLE_USERNAME") and os.environ.get("KAGGLE_KEY")
        return "KAGGLE_USERNAME and KAGGLE_KEY" if from_environment else str(_config_file())
    return "~/.kaggle/credentials.json" if _oauth().get("refresh_token") else None


def check_credentials(way_out: str) -> None:
    """Check, without the network, that there are credentials at all.

    Args:
        way_out: What can be done without any, as the end of a sentence.

    Raises:
        UserError: There are none.
    """
    if find_credentials() is None:
        raise UserError(
            "there are no Kaggle credentials; make an API token at "
            "https://www.kaggle.com/settings/api and put it into the variable KAGGLE_API_TOKEN or "
            "the file ~/.kaggle/access_token, or set KAGGLE_USERNAME and KAGGLE_KEY, or save "
            f"kaggle.json as {_config_file()}; {way_out}"
        )


def _secrets() -> list[str]:
    """Every secret value that the command can know, longest first."""
    login, oauth = _login(), _oauth()
    values = {token for _, token in _tokens()} | {login.get("key", "")}
    values |= {oauth.get("refresh_token", ""), oauth.get("access_token", "")}
    if login.get("key"):
        pair = f"{login.get('username', '')}:{login['key']}"
        values.add(base64.b64encode(pair.encode()).decode())
    return sorted((value for value in values if value), key=len, reverse=True)


def scrub(text: str, secrets: list[str]) -> str:
    """Return `text` without secrets.

    Besides the given ones, it hides credentials in addresses, the query of an address (storage
    addresses are signed there) and whatever follows "Bearer" or "Basic".
    """
    for secret in secrets:
        text = text.replace(secret, "[hidden]")
    text = re.sub(r"(\b[a-z]+://)[^/\s@'\"]+@", r"\1", text)
    text = re.sub(r"(\bhttps?://[^\s?'\"]+)\?[^\s'\")]*", r"\1", text)
    return re.sub(r"(?i)\b(bearer|basic)\s+[\w+/=.~-]{8,}", r"\1 [hidden]", text)
