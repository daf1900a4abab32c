"""What the Kaggle of the tests knows and does, apart from HTTP; and how it can misbehave."""

import io
import os
import re
import threading
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.kaggle.sessions import Sessions

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
        page_size: Submissions on a page, whatever size is asked for.
        turns_pages: Whether another page than the first can be had.
        num_pending_polls: How often a new submission is listed as PENDING before it is scored.
        score: Public score of a submission.
        scoring_error: If given, submissions end as ERROR with this description.
        storage: Where the archive is said to lie.
        token: The API token that is accepted.
        sessions: What runs the scripts that are pushed.
        requests: (name, JSON body or headers) of everything asked, in order.
    """

    slug: str = "digit-recognizer"
    archive: bytes = field(default_factory=lambda: zip_of({"train.csv": os.urandom(2_500_000)}))
    num_allowed: int = 5
    page_size: int = 50
    turns_pages: bool = True
    num_pending_polls: int = 0
    score: str = "0.99642"
    scoring_error: str = ""
    active_token: bool = True
    storage: str = "http://localhost/storage"
    token: str = TOKEN
    submissions: list[dict[str, Any]] = field(default_factory=list)
    uploads: dict[str, bytes] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    port: int = 0
    sessions: Sessions | None = None
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
        active = self.active_token and body.get("token") == self.token
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
        start = (body.get("page", 1) - 1) * self.page_size if self.turns_pages else 0
        page = self.submissions[start : start + self.page_size]
        return Answer(200, {"submissions": [dict(entry) for entry in page]})

    def _get_submission(self, body: dict[str, Any]) -> Answer:
        found = [entry for entry in self.submissions if entry["ref"] == body.get("ref")]
        return Answer(200, dict(found[0])) if found else refusal(404, "Submission not found")

    def _get_submission_limits(self, body: dict[str, Any]) -> Answer:
        return Answer(200, {"numToday": 5 - self.num_allowed, "numAllowedNow": self.num_allowed})

    def _save_kernel(self, body: dict[str, Any]) -> Answer:
        return Answer(200, self._machines.save(body))

    def _get_kernel_session_status(self, body: dict[str, Any]) -> Answer:
        found = self._machines.status(body)
        return Answer(200, found) if found else refusal(403, "Permission 'kernels.get' was denied")

    def _list_kernel_session_output(self, body: dict[str, Any]) -> Answer:
        found = self._machines.output(body)
        return Answer(200, found) if found else refusal(403, "Permission 'kernels.get' was denied")

    def _get_accelerator_quota_statistics(self, body: dict[str, Any]) -> Answer:
        return Answer(200, self._machines.quota())

    @property
    def _machines(self) -> Sessions:
        assert self.sessions is not None
        return self.sessions
