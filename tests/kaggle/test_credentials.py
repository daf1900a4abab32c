"""Credentials that the command can use are found; others are named, with what mends them."""

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.kaggle.client import list_submissions
from pipeline.kaggle.credentials import check_credentials, find_credentials
from pipeline.kaggle.hiding import known_secrets
from tests.kaggle.conftest import DIGITS
from tests.kaggle.server import KEY, TOKEN, USERNAME, KaggleServer

LOGIN = json.dumps({"username": USERNAME, "key": KEY})
WAY_OUT = "or go without."


@pytest.fixture
def home(kaggle_server: KaggleServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder without credentials; what is put there is tried on the server."""
    for name in ("USERNAME", "KEY", "CONFIG_DIR"):
        monkeypatch.delenv(f"KAGGLE_{name}")
    home = tmp_path / "home"
    (home / ".kaggle").mkdir()
    return home


def refusal() -> str:
    """What is said of the credentials."""
    with pytest.raises(UserError) as error:
        check_credentials(WAY_OUT)
    assert str(error.value).endswith(WAY_OUT)
    for secret in (KEY, TOKEN):
        assert secret not in str(error.value)
    return str(error.value)


def follow_advice(sentence: str) -> None:
    """Type what stands between backquotes."""
    command = re.search("`(.*?)`", sentence)
    assert command, sentence
    subprocess.run(["sh", "-c", command[1]], check=True)


def test_credentials_are_found_in_the_commands_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("API_TOKEN", "USERNAME", "KEY", "CONFIG_DIR"):
        monkeypatch.delenv(f"KAGGLE_{name}", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / ".kaggle"
    folder.mkdir()
    assert find_credentials() is None
    (folder / "credentials.json").write_text('{"refresh_token": "r"}')
    assert find_credentials() == "~/.kaggle/credentials.json"
    (folder / "kaggle.json").write_text("not JSON")
    assert find_credentials() == "~/.kaggle/credentials.json"
    (folder / "kaggle.json").write_text('{"username": "u", "key": "k"}')
    assert find_credentials() == str(folder / "kaggle.json")
    monkeypatch.setenv("KAGGLE_USERNAME", "u")
    monkeypatch.setenv("KAGGLE_KEY", "k")
    assert find_credentials() == "KAGGLE_USERNAME and KAGGLE_KEY"
    (folder / "access_token").write_text(" \n")  # an empty one is passed over
    assert find_credentials() == "KAGGLE_USERNAME and KAGGLE_KEY"
    (folder / "access_token").write_text("t\n")
    assert find_credentials() == "~/.kaggle/access_token"
    monkeypatch.setenv("KAGGLE_API_TOKEN", str(folder / "access_token"))
    assert find_credentials() == "KAGGLE_API_TOKEN"


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("kaggle.json", b"\xef\xbb\xbf" + LOGIN.encode(), "begins with a byte-order mark"),
        ("kaggle.json", LOGIN.encode("utf-16"), "is written in UTF-16"),
        ("kaggle.json", LOGIN.encode("utf-16-le"), "is written in UTF-16"),
        ("kaggle.json", LOGIN.replace('"', "'").encode(), "has single quotes"),
        ("kaggle.json", TOKEN.encode() + b"\n", "holds a single word"),
        ("kaggle.json.txt", LOGIN.encode(), "is there, but the kaggle command looks for"),
        ("kaggle (1).json", LOGIN.encode(), "is there, but the kaggle command looks for"),
        ("../.config/kaggle/kaggle.json", LOGIN.encode(), "is there, but the kaggle command looks"),
        ("access_token", b"\xef\xbb\xbf" + TOKEN.encode(), "begins with a byte-order mark"),
        ("access_token", TOKEN.encode("utf-16"), "is written in UTF-16"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_and_the_advice_mends_it(
    home: Path, name: str, content: bytes, fault: str
) -> None:
    path = home / ".kaggle" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o600)
    sentence = refusal()
    named = "~/.kaggle/access_token" if name == "access_token" else str(path.resolve())
    assert os.path.normpath(sentence.partition(f" {fault}")[0]) == named
    follow_advice(sentence)
    assert list_submissions(DIGITS).submissions == []
    files = [file for file in home.rglob("*") if file.is_file()]
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("", "is not JSON, where it should read"),
        ("username: me", "is not JSON, where it should read"),
        ("[1]", "is not JSON, where it should read"),
        ('{"username": "me", "key": ""}', 'has no "key", where it should read'),
        ("{}", 'has no "username" and no "key", where it should read'),
    ],
)
def test_a_file_that_cannot_be_mended_by_a_command_is_described(
    home: Path, content: str, fault: str
) -> None:
    path = home / ".kaggle" / "kaggle.json"
    path.write_text(content)
    assert refusal().startswith(f'{path} {fault} {{"username": "…", "key": "…"}}; ')


@contextmanager
def an_ordinary_user() -> Iterator[Path]:
    """Be one, also where the tests run as root; the home folder is given."""
    with tempfile.TemporaryDirectory() as folder:
        if os.geteuid() != 0:
            yield Path(folder)
            return
        os.chown(folder, 65534, 65534)
        os.seteuid(65534)
        try:
            yield Path(folder)
        finally:
            os.seteuid(0)


@pytest.mark.parametrize(
    ("locked", "fault"),
    [
        ("kaggle.json", "is there, but you may not read it: `chmod 600 "),
        (".", "which you may not enter: `chmod 700 "),
    ],
)
def test_a_file_that_may_not_be_read_is_not_taken_for_missing(
    home: Path, monkeypatch: pytest.MonkeyPatch, locked: str, fault: str
) -> None:
    with an_ordinary_user() as own_home:
        monkeypatch.setenv("HOME", str(own_home))
        path = own_home / ".kaggle" / "kaggle.json"
        path.parent.mkdir()
        path.write_text(LOGIN)
        (path.parent / locked).chmod(0)
        sentence = refusal()
        assert fault + str(path.parent) in sentence
        follow_advice(sentence)
        assert find_credentials() == str(path)


def test_a_home_that_may_not_be_entered_is_no_harm_to_other_commands(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with an_ordinary_user() as own_home:
        closed = own_home / "closed"
        closed.mkdir(mode=0)
        monkeypatch.setenv("HOME", str(closed))
        assert isinstance(known_secrets(), list)  # every command asks for them
        sentence = refusal()
        assert sentence.startswith(f"~/.kaggle/access_token is in {closed}, which you may not")
        follow_advice(sentence)
        assert refusal().startswith("there are no Kaggle credentials")


def test_a_token_that_the_command_stops_at_is_named_though_other_credentials_follow(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / ".kaggle" / "kaggle.json").write_text(LOGIN)
    monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN + "\n")
    assert refusal().startswith("KAGGLE_API_TOKEN holds a blank, a line break or another")
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    (home / ".kaggle" / "access_token").write_bytes(TOKEN.encode("utf-16"))
    assert refusal().startswith("~/.kaggle/access_token is written in UTF-16")
    monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN)  # it comes first
    check_credentials(WAY_OUT)


def test_a_damaged_file_is_no_matter_where_another_place_is_used(home: Path) -> None:
    (home / ".kaggle" / "kaggle.json").write_text("{")
    (home / ".kaggle" / "access_token").write_text(TOKEN)
    check_credentials(WAY_OUT)
    assert list_submissions(DIGITS).submissions == []


def test_a_token_too_long_for_a_file_name(
    home: Path, kaggle_server: KaggleServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = kaggle_server.token = "KGAT_" + 30 * "0123456789"
    monkeypatch.setenv("KAGGLE_API_TOKEN", token)
    try:
        Path(token).exists()
    except OSError:  # the command of this Python stops there, too
        sentence = refusal()
        assert sentence.startswith("KAGGLE_API_TOKEN has 305 characters, more than a file name")
        assert token not in sentence
        follow_advice(sentence)
        monkeypatch.delenv("KAGGLE_API_TOKEN")
    assert list_submissions(DIGITS).submissions == []
