"""Where the random tests begin: elsewhere each time, or where `DIRK_SEED` says."""

from __future__ import annotations

import os
import random


def chosen_seed() -> int:
    """The number in `DIRK_SEED`, else a new one below 2**32; printed, so that a failure can be had again."""
    seed = int(os.environ.get("DIRK_SEED") or random.SystemRandom().randrange(2**32))
    print(f"DIRK_SEED={seed}")
    return seed
