"""`make kills`: 60 kills with SIGKILL around sheds. Exit code 1 when one of them was not borne.

KILLS is another number, SEED another order.
"""

from __future__ import annotations

import os
import sys

from .kills import play

if __name__ == "__main__":
    outcome = play(int(os.environ.get("KILLS") or 60), int(os.environ.get("SEED") or 7))
    print(outcome)
    sys.exit(not outcome.is_good)
