"""Random numbers that depend on (seed, purpose), never on the order of calls, jobs or cells."""

from __future__ import annotations

import hashlib

import numpy as np


def generator(seed: int, *purpose: str | int) -> np.random.Generator:
    """A NumPy generator for (seed, purpose...), for example `generator(0, "augment", step)`."""
    text = "/".join([str(seed), *map(str, purpose)])
    seed_words = np.frombuffer(hashlib.sha256(text.encode()).digest(), dtype=np.uint32)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed_words.tolist())))
