"""What must never be shown: the values of credentials, wherever they turn up in a text."""

import base64
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import quote, quote_plus, unquote

from pipeline.kaggle.credentials import credential_files, decode

# A shorter one is no key of Kaggle's (32 characters) and no token (37), and would be found in words
# that have nothing to do with it.
_SHORTEST = 8

# How Kaggle's tokens begin: known by sight, wherever somebody may have put one.
_TOKEN = re.compile(r"KGAT_\w+")

_SECRET_NAME = re.compile(r"(?i)token|key|secret|pass")


def known_secrets() -> list[str]:
    """Return every secret that is around, in every form in which it may turn up; longest first.

    Known are the values of KAGGLE_* variables, of files with credentials (also of damaged ones,
    in which every long word with a digit passes for a secret), and the passwords of proxies. The
    forms are the value itself, and as it stands in a URL, in Python's and JSON's strings, and in
    base64.
    """
    values = {value for text in _texts() for value in _values_in(text) if len(value) >= _SHORTEST}
    forms = {form for value in values for form in _forms(value)}
    return sorted(forms, key=len, reverse=True)


def scrub(text: str, secrets: Sequence[str]) -> str:
    """Return what a command printed without secrets.

    Besides the given ones, it hides credentials in addresses, the query of an address (storage
    addresses are signed there) and whatever follows "Bearer" or "Basic".
    """
    text = hide(text, secrets)
    text = re.sub(r"(\b[a-z]+://)[^/\s@'\"]+@", r"\1", text)
    text = re.sub(r"(\bhttps?://[^\s?'\"]+)\?[^\s'\")]*", r"\1", text)
    return re.sub(r"(?i)\b(bearer|basic)\s+[\w+/=.~-]{8,}", r"\1 [hidden]", text)


def hide(text: str, secrets: Sequence[str]) -> str:
    """Return `text` without the given secrets (longest first) and without any token of Kaggle's."""
    for secret in secrets:
        text = text.replace(secret, "[hidden]")
    return _TOKEN.sub("[hidden]", text)


class HidingStream:
    """A text stream that shows no secret: all that the process says passes through it.

    Whatever is printed, an error, a traceback or a library's warning, reaches `write` in whole
    lines or whole values. Everything else is the stream's own.
    """

    def __init__(self, stream: TextIO, secrets: Sequence[str]) -> None:
        self._stream, self._secrets = stream, secrets

    def write(self, text: str) -> int:
        """Write a text without its secrets."""
        return self._stream.write(hide(text, self._secrets))

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts, each without its secrets."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _texts() -> Iterator[str]:
    """The values of variables and the contents of files in which secrets are."""
    for name, value in os.environ.items():
        if name.startswith("KAGGLE_") and _SECRET_NAME.search(name):
            yield _content(Path(value)) or value  # a token may be given as the path of its file
        elif name.lower().endswith("_proxy") and (found := re.search(r"://[^/:]*:(.+)@", value)):
            yield found[1]
    for path in credential_files():
        yield _content(path)


def _content(path: Path) -> str:
    try:
        return decode(path.read_bytes())[0]
    except (OSError, ValueError):
        return ""


def _values_in(text: str) -> Iterator[str]:
    """The secrets in a value or file: of a JSON table by their names, else all that may be one."""
    text = text.strip()
    try:
        table = json.loads(text)
    except ValueError:
        table = None
    if isinstance(table, dict):
        yield from (str(value) for name, value in table.items() if _SECRET_NAME.search(name))
    else:
        yield text
        yield from (word for word in re.findall(r"[\w+/=.~-]{16,}", text) if re.search(r"\d", word))


def _forms(secret: str) -> set[str]:
    errors = "surrogateescape"  # what the environment holds need not be UTF-8
    in_urls = {quote(secret, safe="", errors=errors), quote(secret, errors=errors)}
    in_urls |= {quote_plus(secret, errors=errors), unquote(secret)}
    in_strings = {repr(secret)[1:-1], ascii(secret)[1:-1], json.dumps(secret)[1:-1]}
    in_base64 = base64.b64encode(secret.encode(errors=errors)).decode()
    return {secret, in_base64} | in_urls | in_strings
