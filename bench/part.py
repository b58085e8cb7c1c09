"""One part of the bench in a process of its own: `python -m bench.part NAME` prints JSON."""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import asdict

if __name__ == "__main__":
    part = importlib.import_module(f"bench.{sys.argv[1]}")
    print(json.dumps([asdict(figure) for figure in part.figures()]))
