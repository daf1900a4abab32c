"""Kaggle's credentials: where the `kaggle` command finds them, and what may be wrong with them.

They are looked for in the command's own order and read as strictly as it reads them. What it passes
over without a word, or stops at with a traceback, is named here with what mends it.
"""

import codecs
import contextlib
import json
import os
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from pipeline.errors import UserError

SETTINGS_URL = "https://www.kaggle.com/settings/api"

_LOGIN_FORM = '{"username": "…", "key": "…"}'


@dataclass(frozen=True)
class Source:
    """A place where the command looks for credentials.

    Attributes:
        place: The place in words.
        is_complete: Whether the command can sign in with what is there.
        fault: Why the command cannot use what is there, and how to mend it: the rest of a sentence
            that begins with the place. Empty if nothing is there, or nothing wrong.
        stops: Whether the command stops at such a fault, and does not look any further.
    """

    place: str
    is_complete: bool = False
    fault: str = ""
    stops: bool = False


def find_credentials() -> str | None:
    """Return where the credentials are that the command will use; None if there are none."""
    return next((source.place for source in _sources() if source.is_complete), None)


def check_credentials(way_out: str) -> None:
    """Check, without the network, that there are credentials which the command can use.

    `way_out` says what can be done without any: the end of a sentence, beginning with "or".

    Raises:
        UserError: There are none, or what is there is of no use; then it says why.
    """
    sources = list(_sources())
    before = list(takewhile(lambda source: not source.is_complete, sources))
    is_found = len(before) < len(sources)
    faults = [
        f"{source.place} {source.fault}"
        for source in before
        if source.fault and (source.stops or not is_found)
    ]
    if not is_found:
        wanted = _config_file()
        faults += [  # kaggle.json in all but its name or folder
            f"{path} is there, but the kaggle command looks for {wanted}: "
            f"`{_moving(path, wanted)}` mends it"
            for path in _login_files()
            if path != wanted
        ]
        faults.append(
            f"there are no Kaggle credentials; make an API token at {SETTINGS_URL} and put it into "
            "the variable KAGGLE_API_TOKEN or the file ~/.kaggle/access_token, or set "
            f"KAGGLE_USERNAME and KAGGLE_KEY, or save kaggle.json as {wanted}"
        )
    if faults:
        raise UserError(f"{faults[0]}; {way_out}")


def credential_files() -> list[Path]:
    """Return every file that may hold credentials, whether the command would find it or not."""
    names = ("access_token", "access_token.txt", "credentials.json")
    return [*(_home() / name for name in names), *_login_files(), _config_file()]


def decode(content: bytes) -> tuple[str, str]:
    """Return a credential file's text, and its encoding if that is not plain UTF-8, else "".

    The encoding has the name that `iconv` knows, or is "byte-order mark".
    """
    if content.startswith(codecs.BOM_UTF8):
        return content[3:].decode(errors="replace"), "byte-order mark"
    wide = {codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}
    encoding = wide.get(content[:2]) or ("UTF-16LE" if content[1:2] == b"\0" else "")
    return content.decode(encoding or "utf-8", errors="replace"), encoding


# os.path does not raise where there is no home folder, or one that may not be entered.


def _home() -> Path:
    return Path(os.path.expanduser("~/.kaggle"))  # noqa: PTH111


def _xdg_folder() -> Path:
    config = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")  # noqa: PTH111
    return Path(config, "kaggle")


def _config_file() -> Path:
    """`kaggle.json`, where the command looks for it."""
    if folder := os.environ.get("KAGGLE_CONFIG_DIR"):
        return Path(folder, "kaggle.json")
    is_xdg = sys.platform.startswith("linux") and not os.path.exists(_home())  # noqa: PTH110
    return (_xdg_folder() if is_xdg else _home()) / "kaggle.json"


def _login_files() -> list[Path]:
    """Files that look as if they were meant to be `kaggle.json`."""
    found = []
    for folder in dict.fromkeys([_config_file().parent, _home(), _xdg_folder()]):
        with contextlib.suppress(OSError):
            found += [path for path in folder.iterdir() if re.match("kaggle.*json", path.name)]
    return sorted(found)


def _sources() -> Iterator[Source]:
    """Every place, in the order in which the command looks."""
    yield _token_in_environment()
    for name in ("access_token", "access_token.txt"):
        yield _token_file(_home() / name, f"~/.kaggle/{name}")
    yield _login()
    text, fault = _read(_home() / "credentials.json")
    has_token = bool((_parse(text or "") or {}).get("refresh_token"))
    yield Source("~/.kaggle/credentials.json", has_token and not fault, fault)


def _token_in_environment() -> Source:
    place = "KAGGLE_API_TOKEN"
    token = os.environ.get(place, "")
    try:
        # As the command does, which is in a sorry state if even that fails.
        is_file = bool(token) and Path(token).exists()
    except OSError:
        fault = (
            f"has {len(token):,} characters, more than a file name may have, and the kaggle "
            "command looks whether it is one; if the token is right, `(umask 077; mkdir -p "
            f"~/.kaggle; printenv {place} > ~/.kaggle/access_token) && unset {place}` hands it "
            f"over as a file, else copy it again from {SETTINGS_URL}"
        )
        return Source(place, fault=fault, stops=True)
    if is_file:
        return _token_file(Path(token), place)
    return _token(token, place)


def _token_file(path: Path, place: str) -> Source:
    text, fault = _read(path)
    return _token((text or "").strip(), place, fault)


def _token(token: str, place: str, fault: str = "") -> Source:
    """A token, which must be fit to be sent as a header."""
    if not fault and not re.fullmatch(r"[\x21-\x7e]*", token):
        fault = (
            "holds a blank, a line break or another character that no token has; copy the token "
            f"again from {SETTINGS_URL}"
        )
    return Source(place, bool(token) and not fault, fault, stops=True)


def _login() -> Source:
    """User name and key, the environment's before the file's."""
    given = {name: os.environ.get(f"KAGGLE_{name.upper()}", "") for name in ("username", "key")}
    if all(given.values()):
        return Source("KAGGLE_USERNAME and KAGGLE_KEY", is_complete=True)
    path = _config_file()
    text, fault = _read(path)
    if text is None:
        return Source(str(path), fault=fault)
    parsed = _parse(text)
    values = (parsed or {}) | {name: value for name, value in given.items() if value}
    if not fault and parsed is None:
        fault = _fault_of_login(text, path)
    missing = [f'"{name}"' for name in given if not values.get(name)]
    if not fault and missing:
        fault = f"has no {' and no '.join(missing)}, where it should read {_LOGIN_FORM}"
    return Source(str(path), not fault, fault)


def _fault_of_login(text: str, path: Path) -> str:
    """What a `kaggle.json` is that is not a table in JSON."""
    if re.fullmatch(r"[\w+/=.~-]{16,}", text.strip()):
        return (
            f"holds a single word, where it should read {_LOGIN_FORM}; if that is an API token, "
            f"`{_moving(path, _home() / 'access_token')}` makes it one"
        )
    if _parse(text.replace("'", '"')) is not None:
        command = """tr "'" '"' <"""
        return f"has single quotes, where JSON has double ones: {_rewriting(command, path)}"
    return (
        f"is not JSON, where it should read {_LOGIN_FORM}; mend it, or download a new one from "
        f"{SETTINGS_URL}"
    )


def _parse(text: str) -> dict[str, str] | None:
    """The texts in a JSON table; None if it is none."""
    try:
        content = json.loads(text)
    except ValueError:
        return None
    if not isinstance(content, dict):
        return None
    return {name: value for name, value in content.items() if isinstance(value, str)}


def _read(path: Path) -> tuple[str | None, str]:
    """A file's text, None if there is none to be read; and what is wrong with it, else ""."""
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None, ""
    except PermissionError:
        return None, _fault_of_permissions(path)
    except OSError as error:
        return None, f"cannot be read ({error.strerror}); mend that"
    text, encoding = decode(content)
    if encoding == "byte-order mark":
        what = "begins with a byte-order mark, which the kaggle command does not take"
        return text, f"{what}: {_rewriting('tail -c +4', path)}"
    if encoding:
        mend = _rewriting(f"iconv -f {encoding} -t UTF-8", path)
        return text, f"is written in UTF-16, where the kaggle command reads UTF-8: {mend}"
    return text, ""


def _fault_of_permissions(path: Path) -> str:
    """What keeps a file from being read that may not be: a folder above it, its owner, its mode."""
    for folder in reversed(path.parents):
        if not os.path.exists(f"{folder}/."):  # noqa: PTH110
            mend = "; set HOME to a folder of your own"
            if _is_own(folder):
                mend = f": `chmod 700 {_quoted(folder)}` mends it"
            return f"is in {folder}, which you may not enter{mend}"
    mend = "chmod 600" if _is_own(path) else "sudo chown $USER"
    return f"is there, but you may not read it: `{mend} {_quoted(path)}` mends it"


def _is_own(path: Path) -> bool:
    return path.stat().st_uid == os.geteuid()


def _rewriting(command: str, path: Path) -> str:
    """What to type to send a file through a command, readable for its owner only."""
    new = f'f={_quoted(path)}; (umask 077; {command} "$f" > "$f.new") && mv "$f.new" "$f"'
    return f"`{new}` mends it"


def _moving(path: Path, target: Path) -> str:
    """What to type to move a file."""
    is_there = os.path.exists(target.parent)  # noqa: PTH110
    make_folder = "" if is_there else f"mkdir -p {_quoted(target.parent)} && "
    return f"{make_folder}mv {_quoted(path)} {_quoted(target)}"


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
