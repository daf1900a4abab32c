"""Helper processes that cannot die unheard: each has a pipe of its own."""

import signal
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import Any

from pipeline.errors import UserError


@dataclass(frozen=True)
class HelperProcess:
    """A process that sends messages, as seen from the one that started it.

    Only the helper holds the other end of the pipe. So its death is an end of file here, at once,
    whatever it died of, and no message travels through memory that somebody else could fill. The
    sentence about its death says what it was and what to do.
    """

    what: str
    advice: str
    process: BaseProcess
    messages: Connection

    @classmethod
    def start(
        cls,
        context: BaseContext,
        target: Callable[..., None],
        arguments: tuple[Any, ...],
        *,
        what: str,
        advice: str,
        daemon: bool = False,
    ) -> "HelperProcess":
        """Start one; its target is called with the arguments and its own end of the pipe.

        A daemon is ended when this process ends in order; it cannot have helpers of its own.
        """
        messages, theirs = context.Pipe(duplex=False)
        process: BaseProcess = context.Process(  # type: ignore[attr-defined]
            target=target, args=(*arguments, theirs), daemon=daemon
        )
        # A terminal sends Ctrl-C to every process in it, but only the first shall act on it. One
        # that is started while it is ignored ignores it for good.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            process.start()
        finally:
            signal.signal(signal.SIGINT, before)
        theirs.close()
        return cls(what, advice, process, messages)

    def hear(self) -> Any:
        """Wait for its next message and return it.

        Raises:
            EOFError: It has come to its end.
            UserError: It died, or it sent this error.
        """
        try:
            message = self.messages.recv()
        except (EOFError, OSError):  # an OSError where it died in the middle of a message
            self.process.join()
            if self.process.exitcode == 0:
                raise EOFError from None
            raise UserError(f"{self.what} {self._describe_end()}; {self.advice}.") from None
        if isinstance(message, Exception):
            raise message
        return message

    def _describe_end(self) -> str:
        code = self.process.exitcode
        assert code is not None
        if code > 0:
            return f"ended with exit code {code}"
        name = next((each.name for each in signal.Signals if each == -code), f"signal {-code}")
        return f"was ended by {name}, perhaps for want of memory"
