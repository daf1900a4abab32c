"""Every random stream's seed, derived from what it is for."""

import hashlib


def derive_seed(seed: int, purpose: str, *parts: int) -> int:
    """Return the seed of one random stream, in [0, 2**63).

    It is a hash of (seed, purpose, parts), so a stream never depends on what else was drawn, on
    run order or on the number of workers.

    Args:
        seed: The run's seed.
        purpose: What the stream is for, such as "order" or "weights".
        parts: What tells streams of one purpose apart: fold, epoch, image.
    """
    text = "/".join(map(str, (seed, purpose, *parts)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) >> 1
