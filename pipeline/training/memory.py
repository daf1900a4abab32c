"""No memory left: told from other faults, whichever library says so, and told to the user."""

import contextlib
import errno
import re
from collections.abc import Iterator

import torch

from pipeline.errors import UserError

_SAID = re.compile(
    r"out of memory"  # CUDA, HIP, MPS, cuDNN's older versions
    r"|ALLOC(ATION)?_FAILED"  # cuBLAS, cuSPARSE, cuSOLVER, cuDNN
    r"|INSUFFICIENT_RESOURCES"  # cuSPARSE
    r"|(can't|cannot|unable to|failed to) allocate"  # PyTorch's CPU allocator, mmap
    r"|not enough memory"  # the same on Windows, MKL
    r"|bad_alloc",  # C++
    re.IGNORECASE,
)


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether an error means that the device or the host had no memory left."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and bool(_SAID.search(str(error)))


@contextlib.contextmanager
def advising_on_memory(advice: str) -> Iterator[None]:
    """Raise a UserError with this advice if there is no memory for what happens in the block."""
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        sentences = re.split(r"\. |\n", str(error))
        said = next((each for each in sentences if _SAID.search(each)), type(error).__name__)
        raise UserError(f"no memory was left ({said.rstrip('.')}); {advice}.") from None
