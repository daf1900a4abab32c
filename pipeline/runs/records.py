"""The small records that a run and its submission leave: configuration, facts, receipt.

Everywhere `digits_sha256` is that of the data's `Manifest`, `folds_sha256` the hash of `folds.csv`.
"""

from typing import Any

from pydantic import Field

from pipeline.data.files import Record
from pipeline.runs.scoring import ExpectedScore


class RunConfig(Record):
    """`runs/<run>/config.toml`: enough to train the run again.

    Attributes:
        preset: The preset it started from.
        libraries: Versions of the libraries that decide the numbers.
        settings: Every setting, resolved.
        recipe: The augmentation recipe in albumentations' own serialised form, as JSON text.
        network_sha256: `hash_network` of the code it was trained by; None if it is not known, of
            a run made before it was kept.
    """

    run: str
    preset: str
    code_version: str
    digits_sha256: str
    folds_sha256: str
    libraries: dict[str, str]
    settings: dict[str, Any]
    recipe: str
    network_sha256: str | None = None

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

    Attributes:
        device: The device and its arithmetic, in words.
        num_threads: CPU threads of the training. Sums come out in another order with another
            number of them, so only the same number gives the same weights bit for bit.
        host_peak_bytes: Most memory that the training process ever held, without its worker
            processes; None where the operating system does not say.
        device_peak_bytes: Most memory that the networks took on a device with memory of its own.
    """

    device: str
    num_threads: int | None = None
    host_peak_bytes: int | None = None
    device_peak_bytes: int | None = None

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

    Attributes:
        csv_sha256: Hash of what the uploaded file says, as `check_submission` returns it; in
            older receipts of the file's bytes, which is the same for a file as it was written.
        message: The message sent with it.
        mark: The unique part of the message by which it is found again; empty for the practice
            competition.
        submitted_at: UTC time of the upload, ISO 8601.
        folds: The folds whose networks were averaged; empty for an ensemble.
        valid_correct, valid_total: Validation images counted, over those folds; 0 and 0 if all
            data were trained on.
        expected: The score that this accuracy promises; None if no image was held out.
        members: The runs that were averaged; empty for a single run.
        findings: What the audit found and the user overruled, a text each.
        reference: Kaggle's number for the submission, if it gave one.
        status: "submitting" (written before the upload), "pending", "complete" or "error".
        score: The public score, once there is one.
        error: Kaggle's words for a failed scoring.
    """

    run: str
    competition: str
    csv_sha256: str
    message: str
    mark: str
    submitted_at: str
    folds: list[int]
    valid_correct: int
    valid_total: int
    expected: ExpectedScore | None = None
    members: list[str] = Field(default_factory=list)
    findings: list[str] = Field(default_factory=list)
    reference: str | None = None
    status: str = "submitting"
    score: float | None = None
    error: str | None = None
