"""Random numbers that are a pure function of (image key, counter).

A counter-based generator has no state to carry from image to image: number `n` of an image is a
hash of the image's key and `n`. So a draw depends on nothing but its image, whatever the batch
size, the order or the device; integer arithmetic gives the same bits on the CPU and on CUDA.

The hash is SplitMix64 (Steele, Lea & Flood, "Fast Splittable Pseudorandom Number Generators",
OOPSLA 2014), read at position `n` instead of stepped to it: `mix(key + (n + 1)·gamma)`.
The idea of a counter in place of a state is from Salmon et al., "Parallel Random Numbers: As Easy
as 1, 2, 3", SC 2011.
"""

import math
from functools import lru_cache

import torch
from torch import Tensor


def _signed(bits: int) -> int:
    """Return the int64 that has these 64 bits: PyTorch has no arithmetic on uint64."""
    bits &= (1 << 64) - 1
    return bits - (1 << 64) if bits >> 63 else bits


_GAMMA = 0x9E3779B97F4A7C15  # 2^64 / golden ratio, made odd: the Weyl step of SplitMix64
_MULTIPLIER_1 = _signed(0xBF58476D1CE4E5B9)
_MULTIPLIER_2 = _signed(0x94D049BB133111EB)
_LOW_24_BITS = (1 << 24) - 1  # a float32 holds 24 bits exactly


def _xor_shift_(z: Tensor, shift: int) -> Tensor:
    """Return z ^ (z >> shift) in place, with the logical shift that int64 does not have."""
    return z.bitwise_xor_((z >> shift).bitwise_and_((1 << (64 - shift)) - 1))


def _mix_(z: Tensor) -> Tensor:
    """Return SplitMix64's output function of int64 `z`, in place; a bijection on 64 bits."""
    _xor_shift_(z, 30).mul_(_MULTIPLIER_1)
    _xor_shift_(z, 27).mul_(_MULTIPLIER_2)
    return _xor_shift_(z, 31)


def image_keys(seed: int, epoch: int, rows: Tensor) -> Tensor:
    """Return one random key per image, int64 (B,), derived from (seed, epoch, image) alone.

    The seed is any integer, taken modulo 2**64; rows, int64 (B,), are the images of the set. Each
    of seed, epoch and row is mixed in by its own round of SplitMix64's bijection, so rows of one
    epoch never share a key.
    """
    # Seed and epoch are plain numbers: mixed on the host, they cost no kernel on the device.
    state = _mix_int(_mix_int(seed + _GAMMA) + epoch + _GAMMA)
    return _mix_(rows.to(torch.int64) + _signed(state))


def _mix_int(z: int) -> int:
    mask = (1 << 64) - 1
    z &= mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return z ^ (z >> 31)


def random_bits(keys: Tensor, counters: Tensor) -> Tensor:
    """Return the 64 random bits of each key at each counter from 0: int64, as both broadcast."""
    return _mix_((counters + 1).mul_(_signed(_GAMMA)).add(keys))


def uniform(keys: Tensor, counters: Tensor) -> Tensor:
    """Return float32, uniform on the multiples of 2**-24 in [0, 1); arguments as `random_bits`."""
    bits = (random_bits(keys, counters) >> 40).bitwise_and_(_LOW_24_BITS)
    return bits.to(torch.float32).mul_(2.0**-24)


@lru_cache(maxsize=64)
def _counters(first: int, count: int, device: torch.device) -> Tensor:
    return torch.arange(first, first + count, device=device)


def uniform_noise(keys: Tensor, first: int, count: int) -> Tensor:
    """Return uniform numbers from the counters from `first` on, two from the bits of each.

    They are float32 (B, count), uniform on the multiples of 2**-24 in (0, 1]; 1 is let in for 0,
    which has no logarithm.
    """
    if not len(keys):  # of a single counter, an empty tensor cannot be viewed in halves
        return torch.empty(0, count, device=keys.device)
    bits = random_bits(keys[:, None], _counters(first, -(-count // 2), keys.device))
    halves = (bits.view(torch.int32)[:, :count] >> 8).bitwise_and_(_LOW_24_BITS)
    return halves.to(torch.float32).add_(1).mul_(2.0**-24)


def normal_noise(keys: Tensor, first: int, count: int) -> Tensor:
    """Return standard normal numbers from the same counters (Box & Muller 1958).

    They are float32 (B, count), of absolute value below 5.8.
    """
    half = -(-count // 2)
    units = uniform_noise(keys, first, 2 * half)
    radius, angle = units[:, :half], units[:, half:]
    radius = radius.log().mul_(-2).sqrt_()
    angle = angle * (2 * math.pi)
    numbers = torch.empty(len(keys), 2 * half, device=keys.device)
    torch.mul(radius, angle.cos(), out=numbers[:, :half])
    torch.mul(radius, angle.sin_(), out=numbers[:, half:])
    return numbers[:, :count]
