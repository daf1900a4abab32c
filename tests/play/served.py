"""`make play` as a process of its own, and a visitor without a browser."""

import contextlib
import json
import os
import re
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from email.message import Message
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np


class Served:
    """A page that is being served.

    Attributes:
        root: The checkout whose page it is.
        address: `http://127.0.0.1:<port>/`.
        token: What stands in the page.
    """

    def __init__(self, root: Path, process: "subprocess.Popen[str]", address: str) -> None:
        self.root = root
        self.process = process
        self.address = address
        self.token = re.search(r'play-token" content="([^"]+)"', self.get("").decode())[1]

    def request(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, Message, bytes]:
        """Status, headers and content of an answer."""
        connection = HTTPConnection(self.address.split("/")[2], timeout=60)
        with contextlib.closing(connection):
            connection.request(method, f"/{path}", body, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def get(self, path: str) -> bytes:
        """What is to be had under a path."""
        status, _, content = self.request("GET", path)
        assert status == 200, content
        return content

    def post(self, door: str, what: Any = None, **headers: str) -> tuple[int, bytes]:
        """Status and content of what a door of the page answers."""
        sent = {"X-Play-Token": self.token, "Content-Type": "application/json"} | headers
        status, _, content = self.request(
            "POST", f"do/{door}", json.dumps(what or {}).encode(), **sent
        )
        return status, content

    def ask(self, door: str, what: Any = None) -> dict[str, Any]:
        """The same as JSON, also where it is a refusal with a reason."""
        return json.loads(self.post(door, what)[1])

    def sheet(self, draft: dict[str, Any], **other: Any) -> tuple[dict[str, Any], np.ndarray]:
        """Controls and pixels of a draft; the pixels are (N, 1, 28, 28), digits before draws."""
        status, content = self.post("recipe", {"draft": draft, "seed": 0} | other)
        assert status == 200, content
        (length,) = struct.unpack("<I", content[:4])
        pixels = np.frombuffer(content[4 + length :], np.uint8).reshape(-1, 1, 28, 28)
        return json.loads(content[4 : 4 + length]), pixels

    def end(self) -> tuple[int, str]:
        """Press Ctrl-C; the exit code, and what was said on both outputs since it began."""
        self.process.send_signal(signal.SIGINT)
        said, _ = self.process.communicate(timeout=60)
        return self.process.returncode, said


def start(root: Path, *options: str) -> "subprocess.Popen[str]":
    """Type `python -m pipeline play` in a checkout, where no browser would open."""
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "PYTHONPATH")
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline", "play", *options],
        cwd=root,
        env={k: v for k, v in os.environ.items() if k not in hidden} | {"OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@contextlib.contextmanager
def serving(root: Path, *options: str) -> Iterator[Served]:
    """Serve the page of a checkout at a free port."""
    process = start(root, "--port", "0", *options)
    try:
        said, address = "", None
        while not address:  # a note may come first
            line = process.stdout.readline()
            said += line
            assert line, said
            address = re.search(r"http://127\.0\.0\.1:\d+/", line)
        yield Served(root, process, address[0])
    finally:
        process.kill()
        said, _ = process.communicate()
        print(said)  # pytest shows it beside a failure
