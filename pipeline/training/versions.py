"""What else decides the numbers of a training: the libraries, and on a CPU its kind."""

import contextlib
import platform
from importlib import metadata
from pathlib import Path

_LIBRARIES = ("torch", "albumentations", "opencv-python-headless", "numpy")


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that decide the numbers, as far as they are known."""
    versions = {}
    for name in _LIBRARIES:
        # OpenCV comes by several names.
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions


def processor_name() -> str:
    """Return the name of this machine's processor, as far as it tells."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
