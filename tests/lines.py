"""A reporter that keeps what it hears."""

from contextlib import AbstractContextManager, nullcontext

from pipeline.console import Bar


class Lines:
    """Remembers every line; its bars count what they are advanced by."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.advanced = 0

    def line(self, text: str) -> None:
        self.lines.append(text)

    def bar(self, label: str, total: int) -> AbstractContextManager[Bar]:
        return nullcontext(self)

    def advance(self, amount: int = 1, note: str = "") -> None:
        self.advanced += amount

    @property
    def text(self) -> str:
        return "\n".join(self.lines)
