"""Where to compute, and in which precision."""

import sys
from dataclasses import dataclass
from typing import Any

import torch

from pipeline.errors import UserError


@dataclass(frozen=True)
class Device:
    """A device with the arithmetic that networks use on it.

    Attributes:
        torch: The device.
        bfloat16: Whether networks run under bfloat16 autocast.
        name: The device's own name, for people.
    """

    torch: torch.device
    bfloat16: bool
    name: str

    def autocast(self) -> Any:
        """Return the context in which a network's forward pass runs."""
        return torch.autocast(self.torch.type, torch.bfloat16, enabled=self.bfloat16)

    def peak_bytes(self) -> int | None:
        """Return the most memory that tensors took on it so far; None for the CPU and MPS."""
        if self.torch.type != "cuda":
            return None
        return int(torch.cuda.max_memory_allocated(self.torch))

    def __str__(self) -> str:
        return f"{self.name}, {'bfloat16' if self.bfloat16 else 'float32'}"


def choose_device(device: str = "auto", precision: str = "auto") -> Device:
    """Return the device asked for, or the best there is: CUDA, then MPS, then the CPU.

    Precision "auto" is bfloat16 where the hardware multiplies in it: CUDA from Ampere on, CPUs
    with AVX512-BF16 or AMX, unless `ATEN_CPU_CAPABILITY` keeps PyTorch from AVX-512. PyTorch also
    accepts it elsewhere and emulates it, which is slower.

    Args:
        device: "auto", "cuda", "mps" or "cpu".
        precision: "auto", "float32" or "bfloat16".

    Raises:
        UserError: The device asked for is not in this machine, or cannot do bfloat16.
    """
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if device == "auto":
        device = next(name for name, present in available.items() if present)
    if not available[device]:
        present = ", ".join(name for name, here in available.items() if here)
        raise UserError(
            f"DEVICE={device} is not available to PyTorch here; available: {present}. "
            "Leave DEVICE=auto to take the best."
        )
    if precision == "bfloat16" and device == "mps":
        raise UserError("precision=bfloat16 is not supported on DEVICE=mps; use float32.")
    return Device(
        torch.device(device),
        precision == "bfloat16" or (precision == "auto" and _has_bfloat16(device)),
        torch.cuda.get_device_name() if device == "cuda" else device.upper(),
    )


def _has_bfloat16(device: str) -> bool:
    if device == "cuda":
        return torch.cuda.get_device_capability() >= (8, 0)
    if device == "cpu":
        capabilities = torch.cpu.get_capabilities()
        present = capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")
        return bool(present) and torch.backends.cpu.get_cpu_capability().startswith("AVX512")
    return False


def host_peak_bytes() -> int | None:
    """Return the most memory that this process ever held; None where there is no such count."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts in KiB
