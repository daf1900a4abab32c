"""The message that a submission carries: written and read in one place.

Kaggle shows it beside the score. It says which run was sent and what was known of it, so that a
submission can be told from others even where its receipt is not.
"""

import re
import textwrap
from dataclasses import dataclass

from pipeline.runs.scoring import Accuracy

_FORM = re.compile(
    r"\| run (?P<run>[A-Za-z0-9._-]+) \| "
    r"(?:validation \S+ \((?P<correct>[\d,]+)/(?P<total>[\d,]+), [^|]*\)|no validation[^|]*) "
    r"(?P<mark>\[drp-[0-9a-f]{8}\])$"
)


@dataclass(frozen=True)
class Message:
    """What a message says; by its unique mark the submission is found in Kaggle's list.

    The accuracy is None if no image was held out.
    """

    run: str
    accuracy: Accuracy | None
    mark: str

    def compose(self, what: str) -> str:
        """Return the text to send, with the user's own words in front."""
        # Cut to fit, and in one line: the mark at the end must survive.
        said = textwrap.shorten(what, 200, placeholder="…")
        known = f"validation {self.accuracy}" if self.accuracy else "no validation"
        return f"{said} | run {self.run} | {known} {self.mark}"


def parse_message(text: str) -> Message | None:
    """Return what a message says; None if it is not of our making."""
    found = _FORM.search(text.strip())
    if found is None:
        return None
    correct, total = (int((found[name] or "0").replace(",", "")) for name in ("correct", "total"))
    accuracy = Accuracy(correct, total) if total else None
    return Message(found["run"], accuracy, found["mark"])
