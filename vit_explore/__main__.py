"""python -m vit_explore"""

from __future__ import annotations

import sys

from vit_explore.openmp import wait_briefly

wait_briefly()

from vit_explore.cli import main  # noqa: E402  (after the threads know how to wait)

sys.exit(main())
