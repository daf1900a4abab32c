"""What may come in: requests of the page itself, and nothing that another page could send.

A web page of a stranger, open in the same browser, can send requests to 127.0.0.1 as well. It is
told apart by three things that it cannot forge: the `Host` that the browser was sent to (a name of
the stranger's own that is made to point here is another one), the `Origin` of the page that asks,
and a token that stands in our page alone, which no other page can read.
"""

import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN_HEADER = "X-Play-Token"

MOST_BYTES = 1 << 20
"""No request of the page is longer."""

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class Guard:
    """Passes on to the app what comes from its own page, and refuses everything else by 403.

    To read the page and its parts, the right `Host` is enough; every act is a POST and needs the
    token, too.
    """

    def __init__(self, app: ASGIApp, port: int, token: str) -> None:
        self._app = app
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":  # the server's own start and end; no WebSockets here
            assert scope["type"] == "lifespan"
            await self._app(scope, receive, send)
            return
        if why := self._refusal(scope["method"], Headers(scope=scope)):
            response = PlainTextResponse(f"{why}\n", status_code=403, headers=_HEADERS)
            await response(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_guarded)

    def _refusal(self, method: str, headers: Headers) -> str:
        """Why a request is refused; empty if it is not."""
        if headers.get("Host") not in self._hosts:
            return "This page is served under its own address alone."
        origin = headers.get("Origin")
        if origin is not None and origin.removeprefix("http://") not in self._hosts:
            return "Another page may not ask here."
        if method in ("GET", "HEAD"):
            return ""
        if not secrets.compare_digest(headers.get(TOKEN_HEADER, "").encode(), self._token):
            return "The page is of an earlier start: load it anew."
        length = headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > MOST_BYTES:
            return "This is longer than anything the page sends."
        return ""
