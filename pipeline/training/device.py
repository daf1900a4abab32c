"""Where to compute, and in which precision."""

import contextlib
import resource
import sys
from dataclasses import dataclass
from typing import Any

import torch
from torch import dtype as torch_dtype

from pipeline.errors import UserError


@dataclass(frozen=True)
class Device:
    """A device with the arithmetic that networks use on it."""

    torch: torch.device
    dtype: torch_dtype  # networks multiply in it, under autocast unless it is float32
    name: str  # the device's own, for people

    def autocast(self) -> Any:
        """Return the context in which a network's forward pass runs."""
        if self.dtype == torch.float32:
            return contextlib.nullcontext()
        return torch.autocast(self.torch.type, self.dtype)

    def peak_bytes(self) -> int | None:
        """Return the most memory that tensors took on it so far; None for the CPU and MPS."""
        if self.torch.type != "cuda":
            return None
        return int(torch.cuda.max_memory_allocated(self.torch))

    def __str__(self) -> str:
        return f"{self.name}, {str(self.dtype).removeprefix('torch.')}"


def choose_device(device: str = "auto", precision: str = "auto") -> Device:
    """Return the device asked for, or for "auto" the best there is: CUDA, then MPS, then the CPU.

    Precision "auto" is what the hardware multiplies in fastest, of what training bears. A device or
    a precision that is not there raises a UserError.
    """
    here = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    available = [name for name, present in here.items() if present]
    if device == "auto":
        device = available[0]
    if device not in available:
        raise UserError(
            f"DEVICE={device} is not available to PyTorch here; available: "
            f"{', '.join(available)}. Leave DEVICE=auto to take the best."
        )
    if device == "mps" and precision not in ("auto", "float32"):
        raise UserError(f"precision={precision} is not supported on DEVICE=mps; use float32.")
    if precision == "auto":
        precision = _fastest_precision(device)
    name = torch.cuda.get_device_name() if device == "cuda" else device.upper()
    return Device(torch.device(device), getattr(torch, precision), name)


def _fastest_precision(device: str) -> str:
    """bfloat16 on CUDA from Ampere on and on CPUs with AVX512-BF16 or AMX, which multiply in it.

    PyTorch also accepts it elsewhere and emulates it, which is slower; `ATEN_CPU_CAPABILITY` can
    keep it from AVX-512. Older CUDA devices with tensor cores (V100, T4) multiply in float16, whose
    small gradients need loss scaling; all else is float32.
    """
    if device == "cuda":
        capability = torch.cuda.get_device_capability()
        if capability >= (8, 0):
            return "bfloat16"
        return "float16" if capability >= (7, 0) else "float32"
    if device == "cpu":
        capabilities = torch.cpu.get_capabilities()
        present = capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")
        if present and torch.backends.cpu.get_cpu_capability().startswith("AVX512"):
            return "bfloat16"
    return "float32"


def host_peak_bytes() -> int:
    """Return the most memory that this process ever held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts in KiB
