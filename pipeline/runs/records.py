"""The small records that a run and its submission leave: configuration, facts, receipt.

Everywhere `digits_sha256` is that of the data's `Manifest`, `folds_sha256` the hash of `folds.csv`.
"""

from typing import Any

from pydantic import Field

from pipeline.data.files import Record
from pipeline.runs.scoring import ExpectedScore


class RunConfig(Record):
    """`runs/<run>/config.toml`: enough to train the run again."""

    run: str
    preset: str  # from which the settings started
    code_version: str
    digits_sha256: str
    folds_sha256: str
    libraries: dict[str, str]  # versions of those that decide the numbers
    settings: dict[str, Any]  # every one, resolved
    recipe: str  # in albumentations' own serialised form, as JSON text
    network_sha256: str | None = None  # `hash_network`; None of a run made before it was kept

    @property
    def competition(self) -> str:
        """The competition's slug."""
        return str(self.settings.get("competition"))

    @property
    def title(self) -> str:
        """What it is, in a few words."""
        return f"{self.settings.get('model')}, {self.settings.get('augment')}"

    @property
    def member_names(self) -> list[str]:
        """None: a single run is nobody's mean."""
        return []


class EnsembleMember(Record):
    """One run of an ensemble, as it was when it was averaged."""

    run: str
    fingerprint: str  # `runs.fingerprint` of its configuration
    oof_sha256: str  # of its `oof.npz`
    test_sha256: str | None = None  # of its `test.npz`; None if others predict the test images
    all_data: bool = False  # trained on all rows, so it has no validation images


class EnsembleConfig(Record):
    """`runs/<run>/ensemble.toml`: the mean of other runs' probabilities, each counted once.

    If only some members were trained on all rows, these predict the test images and the others,
    of the same kinds, say by their folds how good they are. Data and folds are the same for all.
    """

    run: str
    competition: str
    digits_sha256: str
    folds_sha256: str
    members: list[EnsembleMember]  # at least two

    @property
    def title(self) -> str:
        """What it is, in a few words."""
        return f"mean of {len(self.members)} runs"

    @property
    def member_names(self) -> list[str]:
        """The runs averaged."""
        return [member.run for member in self.members]

    @property
    def validated(self) -> list[EnsembleMember]:
        """Those whose out-of-fold probabilities are averaged."""
        return [member for member in self.members if not member.all_data]

    @property
    def predicting(self) -> list[EnsembleMember]:
        """Those whose probabilities of the test images are averaged."""
        return [member for member in self.members if member.test_sha256 is not None]


class FoldFacts(Record):
    """`runs/<run>/fold<k>/facts.json`: where a fold was trained, and with how much memory.

    Sums come out in another order with another number of CPU threads, so only the same number gives
    the same weights bit for bit.
    """

    device: str  # with its arithmetic, in words
    num_threads: int | None = None  # None: not known, or another one beside other programs
    host_peak_bytes: int | None = None  # of the training process, without its worker processes
    device_peak_bytes: int | None = None  # of the networks, on a device with memory of its own
    place: str = ""  # on which other machine, with which libraries; empty: by this workspace

    @property
    def memory(self) -> str:
        """The memory in words."""
        parts = []
        if self.host_peak_bytes is not None:
            parts.append(f"{self.host_peak_bytes / 2**20:,.0f} MiB")
        if self.device_peak_bytes is not None:
            parts.append(f"{self.device_peak_bytes / 2**20:,.0f} MiB on the device")
        return ", ".join(parts) or "not known"


class Receipt(Record):
    """`submissions/<run>.json`: what was uploaded and what became of it.

    The hash is of what the uploaded file says, as `check_submission` returns it; in older receipts
    of the file's bytes, which is the same for a file as it was written.
    """

    run: str
    competition: str
    csv_sha256: str
    message: str  # sent with it
    mark: str  # by which the message is found again; empty for the practice competition
    submitted_at: str  # UTC, ISO 8601
    folds: list[int]  # whose networks were averaged; empty for an ensemble
    valid_correct: int
    valid_total: int  # over those folds; 0 if all data were trained on
    expected: ExpectedScore | None = None  # None if no image was held out
    members: list[str] = Field(default_factory=list)  # averaged; empty for a single run
    findings: list[str] = Field(default_factory=list)  # of the audit, that the user overruled
    reference: str | None = None  # Kaggle's number for the submission, if it gave one
    status: str = "submitting"  # written before the upload; then "pending", "complete" or "error"
    score: float | None = None  # the public one, once there is one
    error: str | None = None  # Kaggle's words for a failed scoring
