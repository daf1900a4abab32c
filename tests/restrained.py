"""A command within limits that the test's own process is not under."""

import os
import sys

import pytest

# Runs in the process that becomes the command: limits set after a fork would need one without
# threads. Of root's rights it gives up those to read and write whatever the permissions say
# (Linux's CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH); a user without them is refused, and stays as
# it is.
_PROGRAM = """
import ctypes, os, resource, sys
largest_file, *command = sys.argv[1:]
if largest_file:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(largest_file), int(largest_file)))
if os.geteuid() == 0:
    drop_from_bounding_set = 24
    for capability in (1, 2):
        ctypes.CDLL(None).prctl(drop_from_bounding_set, capability)
os.execv(command[0], command)
"""


def restrained(command: list[str], *, largest_file: int | None = None) -> list[str]:
    """Return what runs a command as a user whom permissions bind, as they do not bind root.

    Args:
        command: Its program, by its path, and its arguments.
        largest_file: Bytes that a file may have, if they are limited.
    """
    if os.geteuid() == 0 and sys.platform != "linux":
        pytest.skip("root can give up its rights on Linux alone")
    return [sys.executable, "-c", _PROGRAM, str(largest_file or ""), *command]
