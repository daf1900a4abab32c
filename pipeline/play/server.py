"""Serves the page on 127.0.0.1 until Ctrl-C."""

import contextlib
import errno
import os
import secrets
import socket
import sys
import webbrowser
from collections.abc import Callable, Iterator

import uvicorn
from starlette.types import ASGIApp

from pipeline.console import Reporter
from pipeline.data.files import locked, write_text
from pipeline.errors import UserError
from pipeline.play.guard import Guard
from pipeline.runs.workspace import Workspace

HOST = "127.0.0.1"


@contextlib.contextmanager
def reserve(port: int, workspace: Workspace) -> Iterator[socket.socket]:
    """Give the socket at which the page will be served; port 0 is any that is free.

    Whoever comes before the page is served waits until it is.

    Raises:
        UserError: The page of this workspace is served already, or the port is taken.
    """
    with _only_one(workspace), _listening(port) as listening:
        write_text(workspace.play / "address", f"{_address(listening)}\n")
        yield listening


def serve(make_app: Callable[[str], ASGIApp], listening: socket.socket, reporter: Reporter) -> None:
    """Serve the app that is made for a token, say its address, and open the browser on it.

    It ends by Ctrl-C, as a KeyboardInterrupt.
    """
    token = secrets.token_urlsafe()
    app = Guard(make_app(token), listening.getsockname()[1], token)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    address = _address(listening)
    reporter.line(f"the page is at {address}; Ctrl-C ends it, and what it started goes on")
    _open_browser(address)
    uvicorn.Server(config).run(sockets=[listening])


def _address(listening: socket.socket) -> str:
    return f"http://{HOST}:{listening.getsockname()[1]}/"


@contextlib.contextmanager
def _only_one(workspace: Workspace) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(workspace.play / ".lock", "the page"))
        except UserError:
            with contextlib.suppress(OSError):
                address = (workspace.play / "address").read_text(encoding="utf-8").strip()
                raise UserError(
                    f"the page is served already, at {address}; open that, or end it by Ctrl-C "
                    "where it was started."
                ) from None
            raise
        yield


@contextlib.contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, port))
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            why = "taken by another program" if error.errno == errno.EADDRINUSE else "not yours"
            raise UserError(f"PORT={port} is {why}; give another: `make play PORT=8901`.") from None
        listening.listen()
        yield listening


def _open_browser(address: str) -> None:
    """Open the browser where there is a screen for it: one in the terminal would be in the way."""
    if sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        with contextlib.suppress(webbrowser.Error):
            webbrowser.open(address)
