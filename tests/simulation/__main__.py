"""Simulated runs of a whole DirkDB cluster, thousands a minute, each a function of its seed: python -m tests.simulation

Usage:
  simulation [--seed=N] [--schedules=N] [--seconds=S] [--mutant=NAME] [--jobs=N] [--keep-going] [--without=PARTS]
             [--verbose]

Options:
  --seed=N         The first seed; drawn and printed when it is not given.
  --schedules=N    Run so many, one seed after the other [default: 1000].
  --seconds=S      End after so many seconds, whatever is left.
  --mutant=NAME    With a bug on purpose (tests/mutants.py): the exit status is 0 when it is found.
  --jobs=N         Processes at once; the number of processors when it is not given.
  --keep-going     Go on after a failure, and list the seeds that failed.
  --without=PARTS  Leave parts of the plan out, as a failure's replay command says: o3,f0.
  --verbose        Print the trace of each run.

The first failure is made small, shown with its trace, and ends it with status 1.
"""

from __future__ import annotations

import os
import signal
import sys


def main() -> int:
    """Run what the command line asks; the exit status."""
    from tests.simulation import command

    return command.main(sys.argv[1:], __doc__ or "")


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        # The order of a set of texts must be the same in each run.
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]])
    from tests.simulation import world

    world.install()
    # Ended from outside, it still removes its directory in memory.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main())
