"""Seeds of their own for each purpose, derived from the one that a person gives."""

import numpy as np


def stream(seed: int, purpose: str) -> int:
    """A 32-bit seed for ``purpose``, so that a change in one purpose leaves the others alone."""
    words = np.random.SeedSequence([seed, *purpose.encode()]).generate_state(1, np.uint32)
    return int(words[0])
