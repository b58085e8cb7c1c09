"""Scenarios: what happens to which twin, and when, as data.

{"charge_points": [{"id": "CP0001", ...}],
 "steps": [{"at_s": 0, "charge_point": "CP0001", "action": "plug", "connector": 1}, ...]}

`at_s` are simulated seconds from the begin; `charge_point` may be "*" for all.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from ..power.spec import InvalidSpecError, read_spec
from .actions import action_faults
from .fleet import Fleet

EVERY = "*"


class InvalidScenarioError(ValueError):
    """All that is wrong with a scenario, a line each."""


@dataclass(frozen=True)
class Step:
    """One action at a time."""

    at_s: float
    charge_point: str
    action: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Scenario:
    """Twins to be created first, and steps in order of time. `tolerant`: a step that cannot be
    taken ends nothing; see `replay`."""

    charge_points: tuple[Mapping[str, Any], ...]
    steps: tuple[Step, ...]
    tolerant: bool = False


def load_scenario(path: Path, defaults: Mapping[str, Any] | None = None) -> Scenario:
    """Return a scenario file, JSON or YAML by its suffix. Raises InvalidScenarioError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise InvalidScenarioError(f"{path}: cannot be read ({error})") from None
    try:
        content = _yaml(text, path) if path.suffix in (".yaml", ".yml") else json.loads(text)
    except RecursionError:
        raise InvalidScenarioError(f"{path}: its brackets never end") from None
    except ValueError as error:
        raise InvalidScenarioError(f"{path}: {error}") from None
    return read_scenario(content, defaults, f"{path}: ")


def read_scenario(
    content: Any, defaults: Mapping[str, Any] | None = None, where: str = ""
) -> Scenario:
    """Return a scenario as data. Raises InvalidScenarioError."""
    if not isinstance(content, Mapping):
        raise InvalidScenarioError(f"{where}must be an object with steps")
    faults = [
        f"{key}: unknown key; it takes charge_points and steps"
        for key in content
        if key not in ("charge_points", "steps")
    ]
    points, steps = content.get("charge_points", []), content.get("steps", [])
    if not isinstance(points, list):
        faults.append("charge_points: must be a list")
        points = []
    if not isinstance(steps, list):
        faults.append("steps: must be a list")
        steps = []
    ids: list[str] = []
    for index, point in enumerate(points):
        try:
            ids.append(read_spec(point, defaults, f"charge_points[{index}].").identity)
        except InvalidSpecError as error:
            faults += str(error).split("\n")
    faults += [f"charge_points: {one!r} is there twice" for one in set(ids) if ids.count(one) > 1]
    read = [_step(step, f"steps[{index}]", faults) for index, step in enumerate(steps)]
    if faults:
        raise InvalidScenarioError("\n".join(f"{where}{fault}" for fault in faults))
    found = sorted((step for step in read if step is not None), key=lambda step: step.at_s)
    return Scenario(tuple(points), tuple(found))


async def play(fleet: Fleet, scenario: Scenario) -> None:
    """Carry it out from now on; returns after the last step. Raises what an action raises,
    with the step named."""
    for point in scenario.charge_points:
        fleet.create(point)
    loop = asyncio.get_running_loop()
    began_s = fleet.scheduler.now_s()
    for number, step in enumerate(scenario.steps):
        due: asyncio.Future[None] = loop.create_future()
        fleet.scheduler.at(began_s + step.at_s, partial(_settle, due))
        await due
        chosen = list(fleet.points) if step.charge_point == EVERY else [step.charge_point]
        for identity in chosen:
            try:
                await fleet.act(identity, step.action, step.parameters)
            except (KeyError, ValueError, RuntimeError, ConnectionError) as error:
                raise InvalidScenarioError(
                    f"step {number} ({step.action} of {identity}): {error}"
                ) from error


def _settle(due: asyncio.Future[None]) -> None:
    if not due.done():
        due.set_result(None)


def _step(given: Any, where: str, faults: list[str]) -> Step | None:
    if not isinstance(given, Mapping):
        faults.append(f"{where}: must be an object")
        return None
    parameters = dict(given)
    at_s = parameters.pop("at_s", 0)
    identity = parameters.pop("charge_point", None)
    action = parameters.pop("action", None)
    before = len(faults)
    if type(at_s) not in (int, float) or not 0 <= at_s <= 1e9:
        faults.append(f"{where}.at_s: must be simulated seconds, 0 or more, not {at_s!r}")
    if not isinstance(identity, str):
        faults.append(f'{where}.charge_point: must be an id, or "*" for all')
    faults += [f"{where}: {fault}" for fault in action_faults(action, parameters)]
    if len(faults) > before or not isinstance(identity, str) or not isinstance(action, str):
        return None
    return Step(float(at_s), identity, action, parameters)


def _yaml(text: str, path: Path) -> Any:
    try:
        yaml: Any = import_module("yaml")
    except ImportError:
        raise InvalidScenarioError(
            f"{path}: YAML needs the package PyYAML; or write JSON"
        ) from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"not YAML: {error}") from None
