"""A Kaggle on the loopback interface, for the real `kaggle` command to talk to.

It answers the requests that downloading and submitting make, keeps what arrived, and can be told
to misbehave: `server.fault("CreateSubmission", Drop(after=True))`.

    with running_server() as server:
        subprocess.run(["make", "submit"], env=server.environment(tmp_path / "home"))
"""

import base64
import contextlib
import json
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.kaggle.service import (
    HTML,
    KEY,
    TOKEN,
    USERNAME,
    Answer,
    Cut,
    Drop,
    Fault,
    Hang,
    KaggleServer,
    refusal,
    zip_of,
)

__all__ = ["HTML", "KEY", "TOKEN", "USERNAME", "Answer", "Cut", "Drop", "Fault", "Hang"]
__all__ += ["KaggleServer", "refusal", "running_server", "zip_of"]


class _Handler(BaseHTTPRequestHandler):
    """Speaks HTTP/1.1 as a proxy is spoken to: the request line holds the whole address."""

    protocol_version = "HTTP/1.1"
    kaggle: KaggleServer

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def _serve(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding") == "chunked":
            content = self._read_chunks()
        path = urlsplit(self.path).path
        if path.startswith("/storage/"):
            name, body = "Storage", dict(self.headers)
        elif path.startswith("/upload/"):
            name, body = "Upload", dict(self.headers)
        elif path.startswith("/output/"):
            name, body = "Output", dict(self.headers)
        else:
            name, body = path.rpartition("/")[2], json.loads(content or b"{}")
        with self.kaggle._mutex:
            self.kaggle.requests.append((name, body))
            fault = self.kaggle.take_fault(name)
        match fault:
            case Hang(seconds):
                time.sleep(seconds)
                self._close()
            case Drop(after=False):
                self._close()
            case Answer():
                self._answer(fault)
            case _ if name == "Storage":
                self._send_archive(fault)
            case _ if name == "Output":
                self._send_file(self.kaggle._machines.read(path))
            case _ if name == "Upload":
                with self.kaggle._mutex:
                    self.kaggle.uploads[path.rpartition("/")[2]] = content
                self._answer(Answer(200, {}))
            case _ if not self._authorized() and name != "IntrospectToken":
                self._answer(refusal(401, "Unauthorized"))
            case _ if name == "DownloadDataFiles" and body["competitionName"] == self.kaggle.slug:
                self._redirect(f"{self.kaggle.storage}/{self.kaggle.slug}.zip?signature=s3cr3t")
            case _:
                with self.kaggle._mutex:
                    answer = self.kaggle.act(name, body)
                if isinstance(fault, Drop):
                    self._close()
                else:
                    self._answer(answer)

    do_GET = do_POST = do_PUT = _serve  # noqa: N815

    def _authorized(self) -> bool:
        basic = "Basic " + base64.b64encode(f"{USERNAME}:{KEY}".encode()).decode()
        return self.headers.get("Authorization") in (basic, f"Bearer {self.kaggle.token}")

    def _read_chunks(self) -> bytes:
        content = b""
        while size := int(self.rfile.readline(), 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    def _answer(self, answer: Answer) -> None:
        is_html = isinstance(answer.body, str)
        body = (answer.body if isinstance(answer.body, str) else json.dumps(answer.body)).encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", "text/html" if is_html else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _send_file(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _redirect(self, address: str) -> None:
        self.send_response(302)
        self.send_header("Location", address)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send_archive(self, fault: Fault | None) -> None:
        whole, etag = self.kaggle.archive, '"the-archive"'
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(wanted[1]) if wanted and self.headers.get("If-Range") == etag else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(whole) - 1}/{len(whole)}")
        self.send_header("Content-Type", "application/zip")
        self.send_header("Content-Length", str(len(whole) - start))
        self.send_header("ETag", etag)
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        stop = start + fault.num_bytes if isinstance(fault, Cut) else len(whole)
        self.wfile.write(whole[start:stop])
        if isinstance(fault, Cut):
            self._close()

    def _close(self) -> None:
        self.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up, or was killed, is nothing to report."""


@contextlib.contextmanager
def running_server(**options: Any) -> Iterator[KaggleServer]:
    """Serve on a free port of 127.0.0.1 until the block ends; `options` are server attributes."""
    server = KaggleServer(**options)
    handler = type("Handler", (_Handler,), {"kaggle": server})
    with _Server(("127.0.0.1", 0), handler) as http:
        server.port = http.server_port
        thread = threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()
