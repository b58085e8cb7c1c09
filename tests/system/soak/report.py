"""The figures of a run, and whether they are as promised."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .fleets import Ended
from .verdict import TOLERANCES, growth, is_flat

Kept = Mapping[tuple[str, int], Mapping[str, float]]
"""(device topic, port) -> session -> energy, kWh."""


def held(samples: Path) -> dict[str, Any]:
    """What a process held, and whether that is flat after warm-up."""
    lines = [json.loads(line) for line in samples.read_text().splitlines()]
    figures: dict[str, Any] = {"samples": len(lines)}
    for name in TOLERANCES:
        mean, grown = growth(lines, name)
        figures[name] = {
            "mean": round(mean, 1),
            "growth": round(grown, 2),
            "flat": is_flat(name, mean, grown),
        }
    figures["passed"] = all(figures[name]["flat"] for name in TOLERANCES)
    mean, grown = growth(lines, "objects")
    figures["objects"] = {"mean": round(mean), "growth": round(grown)}
    figures["grown types"] = _grown_types(lines)
    figures["pushed"] = lines[-1].get("pushed")
    return figures


def _grown_types(lines: Sequence[Mapping[str, Any]], most: int = 5) -> dict[str, int]:
    """The types of which there are more: where a leak would be looked for."""
    names = set(lines[0]["types"]).union(*(line["types"] for line in lines))
    flat = [
        {"time_s": line["time_s"], **{name: line["types"].get(name, 0) for name in names}}
        for line in lines
    ]
    grown = {name: round(growth(flat, name)[1]) for name in names}
    ranked = sorted(grown, key=lambda name: -grown[name])
    return {name: grown[name] for name in ranked[:most] if grown[name] > 0}


def compared(ended: Sequence[Ended], kept: Kept, rounding_kwh: float) -> dict[str, Any]:
    """Whether each session is kept with its energy."""
    lost, wrong, kept_kwh = [], [], 0.0
    for each in ended:
        energy_kwh = kept.get((each.topic, each.port), {}).get(each.session)
        if energy_kwh is None:
            lost.append(each)
            continue
        kept_kwh += energy_kwh
        if abs(energy_kwh - each.energy_kwh) > rounding_kwh:
            wrong.append(each)
    return {
        "sessions": len(ended),
        "lost": len(lost),
        "wrong energy": len(wrong),
        "simulator_kwh": round(sum(each.energy_kwh for each in ended), 6),
        "kept_kwh": round(kept_kwh, 6),
        "examples": [str(each) for each in (*lost[:3], *wrong[:3])],
        "passed": bool(ended) and not lost and not wrong,
    }


def missing(published: Mapping[str, int], devices: Sequence[str], wanted: int) -> dict[str, Any]:
    """Publishes that the historian should hold of each device, and those that it does not."""
    late = {topic: wanted - published.get(topic, 0) for topic in devices}
    absent = sum(number for number in late.values() if number > 0)
    return {"wanted": wanted * len(devices), "missing": absent}


def write(figures: dict[str, Any], output: Path) -> int:
    """Print and keep the figures; the exit code."""
    figures["passed"] = all(
        part["passed"] for part in figures.values() if isinstance(part, dict) and "passed" in part
    )
    text = json.dumps(figures, indent=1)
    (output / "figures.json").write_text(text)
    print(text, flush=True)
    if not figures["keeping up"]["passed"]:
        print("This machine did not keep up with its polls: the figures say little about leaks.")
    return int(not figures["passed"])
