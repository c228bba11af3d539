"""python -m vit_explore, and the command vit-explore."""

from __future__ import annotations

import sys


def run() -> int:
    """The command line; gives the exit status."""
    from vit_explore.openmp import wait_briefly

    wait_briefly()  # before torch is imported: its threads read it once
    from vit_explore.cli import main

    return main()


if __name__ == "__main__":
    sys.exit(run())
