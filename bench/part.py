"""One part of the bench in a process of its own: `python -m bench.part NAME` prints JSON."""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import asdict, replace

_GAIN = "What a user gains: "

if __name__ == "__main__":
    part = importlib.import_module(f"bench.{sys.argv[1]}")
    gain = " ".join((part.__doc__ or "").partition(_GAIN)[2].split())
    found = [replace(figure, gain=figure.gain or gain) for figure in part.figures()]
    assert all(figure.gain for figure in found), f"{part.__name__}: write {_GAIN!r}"
    print(json.dumps([asdict(figure) for figure in found]))
