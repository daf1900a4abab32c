"""Downloading with the real `kaggle` command, and everything that can go wrong with it."""

import json
import os
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.kaggle.client import download
from tests.kaggle.conftest import DIGITS
from tests.kaggle.server import (
    HTML,
    KEY,
    TOKEN,
    Answer,
    Cut,
    Drop,
    Fault,
    KaggleServer,
    refusal,
    zip_of,
)
from tests.lines import Lines


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "download"
    folder.mkdir()
    return folder


def _ranges(server: KaggleServer) -> list[str | None]:
    """The range asked for in each request to the storage."""
    return [body.get("Range") for name, body in server.requests if name == "Storage"]


def test_download_brings_the_archive(kaggle_server: KaggleServer, folder: Path) -> None:
    archive = download(DIGITS, folder, Lines())
    assert archive.read_bytes() == kaggle_server.archive
    assert list(folder.iterdir()) == [archive]


def test_a_cut_download_is_completed(kaggle_server: KaggleServer, folder: Path) -> None:
    kaggle_server.fault("Storage", Cut(1_500_000), times=1)
    assert download(DIGITS, folder, Lines()).read_bytes() == kaggle_server.archive
    assert _ranges(kaggle_server) == [None, "bytes=1048576-"]  # it writes whole MiB


def test_an_error_page_in_place_of_the_rest_is_not_kept(
    kaggle_server: KaggleServer, folder: Path
) -> None:
    kaggle_server.fault("Storage", Cut(1_500_000), times=1)
    kaggle_server.fault("Storage", Answer(403, "<Error>expired</Error>"), times=2)
    assert download(DIGITS, folder, Lines()).read_bytes() == kaggle_server.archive


def test_a_part_that_lies_there_is_not_trusted(kaggle_server: KaggleServer, folder: Path) -> None:
    marker = {"validator": '"the-archive"', "size": len(kaggle_server.archive)}
    (folder / "digit-recognizer.zip").write_bytes(b"<Error>expired</Error>")
    (folder / "digit-recognizer.zip.kaggle-partial").write_text(json.dumps(marker))
    assert download(DIGITS, folder, Lines()).read_bytes() == kaggle_server.archive


@pytest.mark.parametrize("damage", ["flipped", "truncated", "page"])
def test_a_damaged_archive_is_refused(
    kaggle_server: KaggleServer, folder: Path, damage: str
) -> None:
    whole = zip_of({"train.csv": os.urandom(10_000)})
    kaggle_server.archive = {
        "flipped": whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:],
        "truncated": whole[:9000],
        "page": b"<html>please sign in</html>",
    }[damage]
    with pytest.raises(UserError, match=r"arrived damaged twice \(.+\); try again later"):
        download(DIGITS, folder, Lines())
    assert kaggle_server.count("Storage") == 2
    assert not list(folder.iterdir())


def test_a_download_that_stands_still_is_given_up(
    kaggle_server: KaggleServer, folder: Path
) -> None:
    kaggle_server.fault("Storage", Cut(1_500_000), times=1)
    kaggle_server.fault("Storage", Drop())
    with pytest.raises(UserError, match="did not answer in time"):
        download(DIGITS, folder, Lines(), stall_s=2.0)
    assert not list(folder.iterdir())


@pytest.mark.slow
def test_a_cut_that_no_retry_mends(kaggle_server: KaggleServer, folder: Path) -> None:
    kaggle_server.fault("Storage", Cut(1000))
    with pytest.raises(UserError, match="broke off"):
        download(DIGITS, folder, Lines())
    assert not list(folder.iterdir())


def test_an_interrupt_leaves_nothing(kaggle_server: KaggleServer, folder: Path) -> None:
    class Interrupting(Lines):
        def advance(self, amount: int = 1, note: str = "") -> None:
            raise KeyboardInterrupt

    kaggle_server.fault("Storage", Cut(1_500_000), times=1)
    with pytest.raises(KeyboardInterrupt):
        download(DIGITS, folder, Interrupting())
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    ("request_name", "fault", "sentence"),
    [
        ("DownloadDataFiles", refusal(401, "no"), "not accept the credentials in KAGGLE_USERNAME"),
        (
            "DownloadDataFiles",
            refusal(403, "You must accept this competition's rules"),
            "open https://www.kaggle.com/competitions/digit-recognizer/rules, accept them",
        ),
        ("DownloadDataFiles", Answer(403, "<html>"), "digit-recognizer/rules, accept them"),
        (
            "DownloadDataFiles",
            refusal(403, "Permission 'competitions.participate' was denied"),
            "digit-recognizer/rules, accept them",
        ),
        (
            "DownloadDataFiles",
            refusal(403, "Phone verification required"),
            "Kaggle wants your account verified first; open https://www.kaggle.com/settings and",
        ),
        ("DownloadDataFiles", refusal(404, "Competition not found"), "knows no competition digit"),
        ("DownloadDataFiles", refusal(429, "Too many requests"), "takes no more requests"),
        ("DownloadDataFiles", Answer(503, "<html>"), "Kaggle itself has a fault just now (503"),
        ("DownloadDataFiles", HTML, "a web page came back in place of Kaggle's answer"),
        ("DownloadDataFiles", Drop(), "the connection to Kaggle could not be made or broke off"),
        (
            "Storage",
            Answer(403, "<Error>expired</Error>"),
            'words "403 Client Error: Forbidden for url',
        ),
    ],
)
def test_faults_are_told_in_one_sentence(
    kaggle_server: KaggleServer, folder: Path, request_name: str, fault: Fault, sentence: str
) -> None:
    kaggle_server.fault(request_name, fault)
    with pytest.raises(UserError) as error:
        download(DIGITS, folder, Lines())
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)
    assert "s3cr3t" not in str(error.value)  # the signature of the storage's address
    assert not list(folder.iterdir())


def test_connection_refused(
    kaggle_server: KaggleServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://me:proxy-password@127.0.0.1:9")
    with pytest.raises(UserError, match=r"could not be made .*\(connection refused\)") as error:
        download(DIGITS, folder, Lines())
    assert "proxy-password" not in str(error.value)


def test_no_credentials_names_every_way(
    kaggle_server: KaggleServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KAGGLE_KEY")
    with pytest.raises(UserError) as error:
        download(DIGITS, folder, Lines())
    for way in (
        "KAGGLE_API_TOKEN",
        "~/.kaggle/access_token",
        "KAGGLE_USERNAME and KAGGLE_KEY",
        "kaggle.json",
        "`make data ZIP=~/Downloads/digit-recognizer.zip`",
    ):
        assert way in str(error.value)
    assert not kaggle_server.requests


def test_a_token_wins_and_is_named_when_it_is_stale(
    kaggle_server: KaggleServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN)
    monkeypatch.delenv("KAGGLE_KEY")
    assert download(DIGITS, folder, Lines()).exists()
    kaggle_server.active_token = False
    with pytest.raises(UserError, match="does not accept the credentials in KAGGLE_API_TOKEN"):
        download(DIGITS, folder, Lines())


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [(Answer(503, "<html>"), "Kaggle itself has a fault"), (HTML, "a web page came back")],
)
def test_a_failed_token_check_shows_no_traceback(
    kaggle_server: KaggleServer,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: Fault,
    sentence: str,
) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN)
    kaggle_server.fault("IntrospectToken", fault)
    with pytest.raises(UserError, match=sentence) as error:
        download(DIGITS, folder, Lines())
    assert "\n" not in str(error.value)
    assert "Traceback" not in str(error.value)


def test_no_secret_is_repeated(
    kaggle_server: KaggleServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Path(os.environ["HOME"])
    monkeypatch.delenv("KAGGLE_KEY")
    monkeypatch.delenv("KAGGLE_USERNAME")
    (home / ".kaggle").mkdir()
    (home / ".kaggle" / "kaggle.json").write_text(json.dumps({"username": "somebody", "key": KEY}))
    leak = refusal(400, f"no: {KEY}, Bearer abcdefgh1234, https://a:b@host/x?token=zzz")
    kaggle_server.fault("DownloadDataFiles", leak)
    with pytest.raises(UserError) as error:
        download(DIGITS, folder, Lines())
    assert '"no: [hidden], Bearer [hidden], https://host/x"' in str(error.value)
