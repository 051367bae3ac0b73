"""A run from the command line.

    python -m tests.chaos [--seconds 60] [--seed N] [--mutant NAME] [--kinds kill,power_cut] [--foreign] [--keep DIR]

Exit status 1 when something was wrong; then the history is kept, and where is said.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from pathlib import Path

from tests import mutants
from tests.chaos.faults import GAP_SECONDS, KINDS
from tests.chaos.run import Plan, main_loop


def main() -> int:
    """Run once."""
    parser = argparse.ArgumentParser(prog="chaos")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--mutant", choices=mutants.NAMES)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--gap", type=float, default=GAP_SECONDS)
    parser.add_argument("--foreign", action="store_true")
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(1_000_000) if options.seed is None else options.seed
    kinds = tuple(kind for kind in options.kinds.split(",") if kind)
    nodes = tuple(f"m{number + 1}" for number in range(options.nodes))
    directory = options.keep or Path(tempfile.mkdtemp(prefix="dirk-chaos-"))
    plan = Plan(
        seed,
        options.seconds,
        kinds,
        nodes=nodes,
        mutant=options.mutant,
        is_foreign=options.foreign,
        gap_seconds=options.gap,
    )
    verdict = main_loop(plan, directory / "run", lambda text: print(text, flush=True))
    if verdict.violations:
        return 1
    shutil.rmtree(directory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
