"""Kaggle's machines, for the tests: a script that is pushed runs here, as far as it is let.

`SESSION_PYTHON=…` runs it with another interpreter, of an environment like that of Kaggle's image.
"""

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_ABSENT = ("tyro", "mlxtend", "kaggle")
"""What Kaggle's image lacks; and no part of the pipeline's own environment is found there."""


@dataclass
class Session:
    """One pushed script.

    Attributes:
        request: What `SaveKernel` was asked.
        folder: Where it works and leaves its output.
        log: What it printed, a line each.
    """

    request: dict[str, Any]
    folder: Path
    log: list[dict[str, Any]] = field(default_factory=list)
    process: subprocess.Popen[str] | None = None
    polls: int = 0

    @property
    def state(self) -> str:
        """Its own state, by its process."""
        if self.process is None or (code := self.process.poll()) is None:
            return "RUNNING"
        return "ERROR" if code else "COMPLETE"

    def start(self, inputs: Path) -> None:
        """Run the script with the competition's files mounted, and without what is absent."""
        script = self.folder.parent / "script.py"
        script.write_text(self.request["text"])
        site = self.folder.parent / "site"
        site.mkdir()
        absent = "".join(f"sys.modules[{name!r}] = None\n" for name in _ABSENT)
        (site / "sitecustomize.py").write_text(f"import sys\n{absent}")
        self.process = subprocess.Popen(
            [os.environ.get("SESSION_PYTHON", sys.executable), str(script)],
            cwd=self.folder,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(site),
                "KERNEL_INPUT": str(inputs),
                "OMP_NUM_THREADS": "1",
                "HOME": str(self.folder.parent),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._read, args=(self.process,), daemon=True).start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self.log.append({"stream_name": "stdout", "time": time.monotonic(), "data": line})


@dataclass
class Sessions:
    """All that were pushed, and how they are to go wrong.

    Attributes:
        root: A folder for them.
        inputs: What is mounted as `/kaggle/input`.
        refuse: The `error` that a push is answered with.
        lost_sources: Whether the competition's files cannot be added.
        num_queued: How often a session is found queued before it runs.
        end: (state, failure message) in place of what the script came to; it is never run then.
        spoil: Whether what it made is damaged on the way.
        hours_used: Of thirty.
    """

    root: Path
    inputs: Path
    refuse: str = ""
    lost_sources: bool = False
    num_queued: int = 1
    end: tuple[str, str] | None = None
    spoil: bool = False
    hours_used: float = 2.5
    pushed: dict[str, Session] = field(default_factory=dict)

    def save(self, body: dict[str, Any]) -> dict[str, Any]:
        """`SaveKernel`."""
        if self.refuse:
            return {"error": self.refuse}
        slug = body["slug"].partition("/")[2]
        folder = self.root / slug / "working"
        folder.mkdir(parents=True)
        self.pushed[slug] = Session(body, folder)
        lost = body["competitionDataSources"] if self.lost_sources else []
        url = f"https://www.kaggle.com/code/{body['slug']}"
        return {"url": url, "versionNumber": 1, "invalidCompetitionSources": lost}

    def status(self, body: dict[str, Any]) -> dict[str, Any] | None:
        """`GetKernelSessionStatus`."""
        session = self.pushed.get(body["kernelSlug"])
        if session is None:
            return None
        session.polls += 1
        if session.polls <= self.num_queued:
            return {"status": "QUEUED"}
        if self.end:
            return {"status": self.end[0], "failureMessage": self.end[1]}
        if session.process is None:
            session.start(self.inputs)
        return {"status": session.state}

    def output(self, body: dict[str, Any]) -> dict[str, Any] | None:
        """`ListKernelSessionOutput`."""
        session = self.pushed.get(body["kernelSlug"])
        if session is None:
            return None
        files = [
            {
                "url": f"http://localhost/output/{body['kernelSlug']}/{path.name}",
                "fileName": path.name,
            }
            for path in sorted(session.folder.iterdir())
        ]
        return {"files": files, "log": json.dumps(session.log)}

    def read(self, path: str) -> bytes:
        """A file of the output."""
        slug, name = path.split("/")[-2:]
        content = (self.root / slug / "working" / name).read_bytes()
        return content[::-1] if self.spoil and name.endswith(".tar") else content

    def quota(self) -> dict[str, Any]:
        """`GetAcceleratorQuotaStatistics`."""
        used, allowed = f"{self.hours_used * 3600:.0f}s", f"{30 * 3600}s"
        return {
            "quotaRefreshTime": "2026-01-10T00:00:00Z",
            "gpuQuota": {"timeUsed": used, "totalTimeAllowed": allowed},
        }

    def close(self) -> None:
        """End what still runs."""
        for session in self.pushed.values():
            if session.process:
                session.process.kill()
                session.process.wait()
