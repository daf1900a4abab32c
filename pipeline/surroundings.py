"""What the surroundings may lack: a character, an open output, a home."""

import atexit
import codecs
import io
import os
import shutil
import sys
import tempfile
import unicodedata
from pathlib import Path

_PLAIN = str.maketrans({"→": "->", "–": "-", "×": "x", "·": ".", "±": "+-", "≥": ">="})

_STDERR = 2


def make_do() -> None:
    """Make do without what the surroundings lack, so that no command fails for the want of it.

    A character that an output's encoding does not have is written in plain letters; what is said
    to an output that is closed is lost; and a user without a home, as there is in containers, has
    one for the time being: libraries look there for their settings.

    Raises:
        OSError: There is nowhere to write at all.
    """
    # A file opened later would take the number of an output that is closed.
    while (handle := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        pass
    os.close(handle)
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    sys.stderr = sys.stderr or sys.stdout
    codecs.register_error("plain", _write_plainly)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="plain")
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = home = tempfile.mkdtemp(prefix="home-")
        atexit.register(shutil.rmtree, home, ignore_errors=True)


def _write_plainly(error: UnicodeError) -> tuple[str | bytes, int]:
    """What a codec writes for the characters that it does not have."""
    assert isinstance(error, UnicodeEncodeError)
    wanted = error.object[error.start : error.end].translate(_PLAIN)
    plain = unicodedata.normalize("NFKD", wanted).encode("ascii", "replace")
    return plain.decode(), error.end
