"""What benchmarks come to: plain figures that a file can hold."""

import statistics

from pydantic import BaseModel, ConfigDict


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
