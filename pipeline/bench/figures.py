"""What benchmarks come to: plain figures that a file can hold."""

import statistics
from datetime import UTC, datetime

import torch
from pydantic import BaseModel, ConfigDict

from pipeline.training.device import Device


class Figures(BaseModel):
    """Some figures that belong together."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Series(Figures):
    """One quantity, measured several times.

    Attributes:
        values: One per round, at least one.
    """

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median."""
        return statistics.median(self.values)

    def show(self, form: str = ",.0f") -> str:
        """Return the median, formatted by `form`, with half the range in percent of it."""
        half_range = (max(self.values) - min(self.values)) / 2
        return f"{self.median:{form}} ±{half_range / self.median:.0%}"


class Conditions(Figures):
    """Under what something was measured.

    Attributes:
        device: The device and its precision, in words.
        num_threads: CPU threads of one operation.
        torch: PyTorch's version.
        measured_at: UTC time, ISO 8601.
    """

    device: str
    num_threads: int
    torch: str
    measured_at: str

    @classmethod
    def of(cls, device: Device) -> "Conditions":
        """Return those of now."""
        return cls(
            device=str(device),
            num_threads=torch.get_num_threads(),
            torch=torch.__version__,
            measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def __str__(self) -> str:
        threads = "thread" if self.num_threads == 1 else "threads"
        return f"{self.device}, {self.num_threads} CPU {threads}"
