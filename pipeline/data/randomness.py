"""Every random stream's seed, derived from what it is for."""

import hashlib


def derive_seed(seed: int, purpose: str, *parts: int) -> int:
    """Return the seed of one random stream, in [0, 2**63).

    It is a hash of the run's seed, the purpose ("order", "weights") and what tells streams of one
    purpose apart (fold, epoch, image), so a stream never depends on what else was drawn, on run
    order or on the number of workers.
    """
    text = "/".join(map(str, (seed, purpose, *parts)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) >> 1
