"""python -m vit_explore"""

from __future__ import annotations

import sys

from vit_explore.cli import main

sys.exit(main())
