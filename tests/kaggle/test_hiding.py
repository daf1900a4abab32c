"""No secret is shown, whatever shows it and in whatever form."""

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from pipeline.kaggle.hiding import hide, known_secrets, scrub
from pipeline.runs.workspace import Workspace
from tests.kaggle.server import KEY, USERNAME, KaggleServer

REPOSITORY = Path(__file__).parents[2]
LONG_TOKEN = "KGAT_" + 30 * "0123456789"


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ("key abc123 refused", "key [hidden] refused"),
        ("Authorization: Basic c29tZWJvZHk6a2V5", "Authorization: Basic [hidden]"),
        ("authorization: bearer KGAT_0123456789", "authorization: bearer [hidden]"),
        ("proxy http://me:word@proxy:80/ fails", "proxy http://proxy:80/ fails"),
        ("403 for url: https://s/x.zip?X-Sig=00&b=1", "403 for url: https://s/x.zip"),
    ],
)
def test_secrets_are_scrubbed(text: str, scrubbed: str) -> None:
    assert scrub(text, ["abc123"]) == scrubbed


SECRET = "0123 4567/89+ab'c\"d\\é%41"


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        f"File name too long: {SECRET!r}, and more",
        ascii(SECRET),
        json.dumps({"key": SECRET}),
        quote(SECRET),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        f"https://host/?key={quote_plus(SECRET)}&more",
    ],
)
def test_a_secret_is_known_in_every_form(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    monkeypatch.setenv("KAGGLE_KEY", SECRET)
    shown = hide(form, known_secrets())
    assert "[hidden]" in shown
    assert not any(part in shown for part in ("0123", "4567", "89"))


def _login(key: str) -> str:
    return json.dumps({"username": USERNAME, "key": key})


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("kaggle.json", _login(KEY).encode()),
        ("kaggle.json", b"\xef\xbb\xbf" + _login(KEY).encode()),
        ("kaggle.json", _login(KEY).encode("utf-16")),
        ("kaggle.json", _login(KEY).replace('"', "'").encode()),
        ("kaggle.json", KEY.encode()),
        ("kaggle.json.txt", _login(KEY).encode()),
        ("access_token", KEY.encode() + b"\n"),
        ("credentials.json", json.dumps({"refresh_token": KEY}).encode()),
    ],
)
def test_the_secrets_of_files_are_known_also_of_damaged_ones(
    kaggle_server: KaggleServer, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes
) -> None:
    monkeypatch.delenv("KAGGLE_KEY")
    folder = Path(os.environ["HOME"], ".kaggle")
    folder.mkdir()
    (folder / name).write_bytes(content)
    text = f"{USERNAME}: {KEY} in {folder}"
    assert hide(text, known_secrets()) == f"{USERNAME}: [hidden] in {folder}"


def test_what_is_no_secret_stays(
    kaggle_server: KaggleServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:the-proxys-password@proxy:3128")
    monkeypatch.setenv("KAGGLE_KEY", "k")  # too short to be one
    text = " ".join(os.environ[name] for name in ("HOME", "KAGGLE_CONFIG_DIR", "KAGGLE_USERNAME"))
    assert hide(text, known_secrets()) == text
    assert hide("with the-proxys-password", known_secrets()) == "with [hidden]"


def run_program(program: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command line, in which `program` has changed something before."""
    start = f"import sys; from pipeline.__main__ import main\n{program}\nsys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", start, *arguments],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("fault", "shown"),
    [
        ("OSError(36, 'File name too long', secret)", "error: File name too long ([hidden]): "),
        ("UserError(f'no file {secret!r}')", "error: no file '[hidden]'"),
        ("RuntimeError(f'a bug at {secret}')", "RuntimeError: a bug at [hidden]"),
        ("SystemExit(f'leaving {secret}')", "leaving [hidden]"),
    ],
)
@pytest.mark.parametrize("secret", [KEY, LONG_TOKEN])
def test_no_error_shows_a_secret(
    kaggle_server: KaggleServer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    fault: str,
    shown: str,
    secret: str,
) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", secret)
    program = f"""
import os, warnings
from pipeline.commands.settings import Settings
from pipeline.errors import UserError
def fail(self, workspace, reporter):
    secret = os.environ["KAGGLE_API_TOKEN"]
    reporter.line(f"trying {{secret}}")
    print("with", secret)
    warnings.warn(secret)
    raise {fault}
Settings.__call__ = fail
"""
    done = run_program(program, "settings", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == "trying [hidden]\nwith [hidden]\n"
    assert shown in done.stderr
    assert secret not in done.stderr


def test_a_typed_secret_is_not_repeated(
    kaggle_server: KaggleServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", LONG_TOKEN)
    for arguments in (["data", f"--zip={LONG_TOKEN}"], ["settings", f"--seed={LONG_TOKEN}"]):
        done = run_program("", *arguments, cwd=tmp_path)
        assert done.returncode != 0
        assert "[hidden]" in done.stderr
        assert LONG_TOKEN[:20] not in done.stdout + done.stderr


def test_a_message_with_a_secret_goes_neither_into_the_receipt_nor_to_kaggle(
    kaggle_server: KaggleServer, workspace: Workspace
) -> None:
    arguments = ("submit", "--run=cnn", f"--message=sent with {KEY}")
    done = run_program("", *arguments, cwd=workspace.root)
    assert done.returncode == 0, done.stderr
    assert kaggle_server.submissions[0]["description"].startswith("sent with [hidden] | run cnn")
    assert KEY not in workspace.receipt("cnn").read_text() + done.stdout
