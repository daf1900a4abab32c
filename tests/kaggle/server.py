"""A Kaggle on the loopback interface, for the real `kaggle` command to talk to.

It answers the requests that downloading and submitting make, keeps what arrived, and can be told
to misbehave: `server.fault("CreateSubmission", Drop(after=True))`.

    with running_server() as server:
        subprocess.run(["make", "submit"], env=server.environment(tmp_path / "home"))
"""

import base64
import contextlib
import io
import json
import os
import re
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

USERNAME = "somebody"
KEY = "0123456789abcdef-the-secret-key"
TOKEN = "KGAT_fedcba9876543210-the-secret-token"


@dataclass(frozen=True)
class Answer:
    """Answer with this status instead; a text body is HTML, a dict JSON."""

    status: int
    body: str | dict[str, Any]


def refusal(status: int, message: str) -> Answer:
    """An error in the form that Kaggle's API gives it."""
    return Answer(status, {"code": status, "message": message})


@dataclass(frozen=True)
class Drop:
    """Close the connection without an answer, before or after having done what was asked."""

    after: bool = False


@dataclass(frozen=True)
class Hang:
    """Do not answer for so long."""

    seconds: float


@dataclass(frozen=True)
class Cut:
    """Announce the whole file, send so many bytes, close the connection."""

    num_bytes: int


Fault = Answer | Drop | Hang | Cut

HTML = Answer(200, "<html><title>Sign in to the hotel's network</title></html>")


def zip_of(files: dict[str, bytes]) -> bytes:
    """A zip archive with these members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@dataclass
class KaggleServer:
    """What the service knows, what it was asked, and how it is to misbehave.

    Attributes:
        slug: The one competition it has.
        archive: The competition's zip.
        submissions: As `ListSubmissions` returns them, newest first.
        uploads: Content of each uploaded file, by upload token.
        num_pending_polls: How often a new submission is listed as PENDING before it is scored.
        score: Public score of a submission.
        scoring_error: If given, submissions end as ERROR with this description.
        requests: (name, JSON body or headers) of everything asked, in order.
    """

    slug: str = "digit-recognizer"
    archive: bytes = field(default_factory=lambda: zip_of({"train.csv": os.urandom(2_500_000)}))
    num_allowed: int = 5
    num_pending_polls: int = 0
    score: str = "0.99642"
    scoring_error: str = ""
    active_token: bool = True
    submissions: list[dict[str, Any]] = field(default_factory=list)
    uploads: dict[str, bytes] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    port: int = 0
    _faults: list[list[Any]] = field(default_factory=list)
    _polls_left: dict[int, int] = field(default_factory=dict)
    _mutex: threading.RLock = field(default_factory=threading.RLock)

    def fault(self, name: str, fault: Fault, times: int = 10**9) -> None:
        """Misbehave the next `times` times that `name` (a request, "Storage", "Upload") is asked.

        Faults of one name come in the order in which they were given.
        """
        self._faults.append([name, fault, times])

    def count(self, name: str) -> int:
        """How often a request of that name arrived."""
        return sum(asked == name for asked, _ in self.requests)

    def environment(self, home: Path) -> dict[str, str]:
        """Variables that make `kaggle` talk to this server, with a valid key."""
        home.mkdir(parents=True, exist_ok=True)
        proxy = f"http://127.0.0.1:{self.port}"
        return {
            "HOME": str(home),
            "KAGGLE_CONFIG_DIR": str(home / ".kaggle"),
            "KAGGLE_API_ENVIRONMENT": "LOCALHOST",
            "KAGGLE_USERNAME": USERNAME,
            "KAGGLE_KEY": KEY,
            "HTTP_PROXY": proxy,
            "http_proxy": proxy,
            "NO_PROXY": "",
            "no_proxy": "",
        }

    # What follows is called by the handler, one request at a time.

    def take_fault(self, name: str) -> Fault | None:
        """The fault to show now, if any."""
        for entry in self._faults:
            if entry[0] == name and entry[2] > 0:
                entry[2] -= 1
                fault: Fault = entry[1]
                return fault
        return None

    def act(self, name: str, body: dict[str, Any]) -> Answer:
        """Do what a request asks and return the answer."""
        if name != "IntrospectToken" and body.get("competitionName", self.slug) != self.slug:
            return refusal(404, "Competition not found")
        action = getattr(self, "_" + re.sub("(?<!^)([A-Z])", r"_\1", name).lower(), None)
        return action(body) if action else refusal(404, f"no request {name}")

    def _introspect_token(self, body: dict[str, Any]) -> Answer:
        active = self.active_token and body.get("token") == TOKEN
        return Answer(200, {"active": active, "username": USERNAME if active else ""})

    def _start_submission_upload(self, body: dict[str, Any]) -> Answer:
        token = f"upload{len(self.uploads)}"
        self.uploads[token] = b""
        return Answer(200, {"token": token, "createUrl": f"http://localhost/upload/{token}?sig=s3"})

    def _create_submission(self, body: dict[str, Any]) -> Answer:
        if self.num_allowed <= 0:
            return refusal(400, "You have exceeded your daily submission limit (5).")
        self.num_allowed -= 1
        reference = 50_000_000 + len(self.submissions)
        self._polls_left[reference] = self.num_pending_polls
        self.submissions.insert(
            0,
            {
                "ref": reference,
                "date": "2026-01-02T03:04:05.678Z",
                "description": body.get("submissionDescription", ""),
                "fileName": "submission.csv",
                "status": "PENDING",
                "publicScore": "",
                "privateScore": "",
            },
        )
        return Answer(
            200, {"message": "Successfully submitted to Digit Recognizer", "ref": reference}
        )

    def _list_submissions(self, body: dict[str, Any]) -> Answer:
        for submission in self.submissions:
            reference = submission["ref"]
            if submission["status"] == "PENDING":
                if self._polls_left.get(reference, 0) > 0:
                    self._polls_left[reference] -= 1
                elif self.scoring_error:
                    submission |= {"status": "ERROR", "errorDescription": self.scoring_error}
                else:
                    submission |= {"status": "COMPLETE", "publicScore": self.score}
        return Answer(200, {"submissions": [dict(entry) for entry in self.submissions]})

    def _get_submission(self, body: dict[str, Any]) -> Answer:
        found = [entry for entry in self.submissions if entry["ref"] == body.get("ref")]
        return Answer(200, dict(found[0])) if found else refusal(404, "Submission not found")

    def _get_submission_limits(self, body: dict[str, Any]) -> Answer:
        return Answer(200, {"numToday": 5 - self.num_allowed, "numAllowedNow": self.num_allowed})


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
            case _ if name == "Upload":
                with self.kaggle._mutex:
                    self.kaggle.uploads[path.rpartition("/")[2]] = content
                self._answer(Answer(200, {}))
            case _ if not self._authorized() and name != "IntrospectToken":
                self._answer(refusal(401, "Unauthorized"))
            case _ if name == "DownloadDataFiles" and body["competitionName"] == self.kaggle.slug:
                self._redirect(f"http://localhost/storage/{self.kaggle.slug}.zip?signature=s3cr3t")
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
        return self.headers.get("Authorization") in (basic, f"Bearer {TOKEN}")

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
