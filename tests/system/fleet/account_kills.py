"""Nodes killed in the middle of sheds of the fleet's chargers, which are one account.

Twins charge behind haproxy. Each shed has a load of its own, so that what the twins got can be
counted. The node is killed that holds the account, or has the charger, or was asked.
"""

from __future__ import annotations

import random
import signal
import tempfile
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import requests

from bench.figure import Figure
from chargepoint_driver.simulator.ocpp import Twins
from tests.unit.events.engines import until

from .balancer import haproxy
from .nodes import TOKEN, NodeProcess
from .site import LIMIT_S, Site

__all__ = ["play"]

ACCOUNT = "chargers"
VICTIMS = ("holder", "charger", "asked")
# The first load, and the step from one shed to the next.
_FIRST_W, _STEP_W = 2_000, 10
# A shed in force is renewed after minutes; what comes sooner is the same one, sent twice.
_RENEWED_S = 60.0
_MAX_WAIT_S = 0.08
_LAST_MINUTES = 1
_HEADERS = {"Authorization": f"Bearer {TOKEN}"}
_KEPT = 100_000
_OUTCOMES = ("done", "try_later", "fate_unknown", "cut")


@dataclass
class Shed:
    """One shed that was asked for, and its outcome: done, a code of an error, or cut."""

    charger: str
    watts: int
    victim: str
    outcome: str = "cut"


def play(site: Site, kills: int, seed: int = 7) -> list[Figure]:
    """Kill `kills` nodes. Return what was sent twice, lost or reported falsely."""
    chance = random.Random(seed)
    for each in site.nodes:
        each.keep_addresses()
    with (
        tempfile.TemporaryDirectory() as folder,
        haproxy(site.nodes, Path(folder)) as balancer,
        Twins(
            f"ws://127.0.0.1:{balancer.port}/ocpp",
            kills + 1,
            speed=1,
            longest_backoff_s=1,
            journal=_KEPT,
            quirks={"no_boot_on_reconnect": {}},
        ) as twins,
    ):
        twins.wait_connected(LIMIT_S)
        for name in twins.ids:
            twins.start_charging(name)
            twins.wait(name, _is_charging, LIMIT_S)
        _wait_readable(site, twins.ids)
        sheds: list[Shed] = []
        taken_s: list[float] = []
        for number, name in enumerate(twins.ids[:kills]):
            shed = Shed(name, _FIRST_W + _STEP_W * number, VICTIMS[number % len(VICTIMS)])
            sheds.append(shed)
            taken_s.append(_kill_in(site, twins, shed, chance))
        false = _false(site, twins, sheds)
        counts = {shed.watts: _times(twins, shed) for shed in sheds}
        lapsed_s = _lapse(site, twins)
    return _figures(sheds, taken_s, counts, false, lapsed_s)


def _figures(
    sheds: list[Shed],
    taken_s: list[float],
    counts: dict[int, dict[str, list[float]]],
    false: list[str],
    lapsed_s: float,
) -> list[Figure]:
    def twice(shed: Shed) -> bool:
        return any(
            after - before < _RENEWED_S
            for times in counts[shed.watts].values()
            for before, after in pairwise(times)
        )

    what = f"{len(sheds)} kills of a node in a shed of the account"
    outcomes = ", ".join(
        f"{name} {sum(each.outcome == name for each in sheds)}"
        for name in sorted({each.outcome for each in sheds})
    )
    doubled = [each for each in sheds if twice(each)]
    unsent = [each for each in sheds if each.outcome == "try_later" and counts[each.watts]]
    lost = [each for each in sheds if each.outcome == "done" and not counts[each.watts]]
    other = [each for each in sheds if each.outcome not in _OUTCOMES]
    wrong = [f"{each}: {counts[each.watts]}" for each in (*doubled, *unsent, *lost, *other)]
    return [
        *(Figure(f"{what}: wrong: {each}", None, "") for each in (*false, *wrong)),
        Figure(f"{what} ({outcomes}): sheds sent twice", len(doubled), "", at_most=0),
        Figure(f"{what}: acknowledged and not sent", len(lost), "", at_most=0),
        Figure(f"{what}: reported as not sent, and sent", len(unsent), "", at_most=0),
        Figure(f"{what}: other outcomes", len(other), "", at_most=0),
        Figure(f"{what}: state reported falsely", len(false), "", at_most=0),
        Figure(f"{what}: the account answers again, median", _median(taken_s), "s"),
        Figure(
            f"{what}: the account answers again, at the latest after",
            max(taken_s), "s", at_most=5,
        ),
        Figure(
            f"all nodes killed: a shed of {60 * _LAST_MINUTES:g} s ends at its charger after",
            lapsed_s, "s", at_most=60 * _LAST_MINUTES + 10,
        ),
    ]  # fmt: skip


def _kill_in(site: Site, twins: Twins, shed: Shed, chance: random.Random) -> float:
    """Ask for a shed, kill a node meanwhile, and start it again. Return after how long the account
    answered again."""
    asked = chance.choice(site.alive)
    victim = {
        "holder": lambda: _named(site, _holder(site)),
        "charger": lambda: _named(site, _owner(site, shed.charger)),
        "asked": lambda: asked,
    }[shed.victim]()
    writer = threading.Thread(target=_write, args=(asked, shed))
    writer.start()
    time.sleep(chance.uniform(0.0, _MAX_WAIT_S))
    victim.end(signal.SIGKILL)
    killed_s = time.monotonic()
    site.alive.remove(victim)
    _wait_readable(site, twins.ids[:1])
    taken_s = time.monotonic() - killed_s
    writer.join(2 * LIMIT_S)
    assert not writer.is_alive()
    twins.wait_connected(LIMIT_S)
    victim.start()
    site.alive.append(victim)
    return taken_s


def _write(node: NodeProcess, shed: Shed, minutes: int = 30) -> None:
    arguments = {
        "point": {"attribute": "allowedLoad", "station": shed.charger, "port": 1},
        "value": shed.watts / 1_000,
        "shed_on_write": True,
        "shed_duration": minutes,
    }
    try:
        answer = _post(node, "write", arguments)
    except requests.RequestException:
        return
    shed.outcome = "done" if answer.status_code == 200 else answer.json()["error"]["code"]


def _false(site: Site, twins: Twins, sheds: list[Shed]) -> list[str]:
    """Return the chargers of which the account reports another limit than they have, once it does
    not know of a pending one any more."""

    def difference(shed: Shed) -> str | None:
        limit_kw = float(twins.state(shed.charger)["connectors"][0]["limit_kw"])
        status = _read(site, shed.charger, "shedStatus")
        allowed_kw = _read(site, shed.charger, "allowedLoad")
        is_limited = limit_kw == shed.watts / 1_000
        is_said = status in ("in force", "adopted") and allowed_kw == limit_kw
        if is_limited == is_said and (is_limited or shed.outcome != "done"):
            return None
        return f"{shed}: {limit_kw} kW there, reported {status} {allowed_kw}"

    found = []
    for shed in sheds:
        end_s = time.monotonic() + LIMIT_S
        while (text := difference(shed)) is not None and time.monotonic() < end_s:
            time.sleep(0.5)
        if text is not None:
            found.append(text)
    return found


def _times(twins: Twins, shed: Shed) -> dict[str, list[float]]:
    """Return when the charger got the limit, by the purpose of its profile."""
    found: dict[str, list[float]] = {}
    for entry in twins.messages(shed.charger):
        frame = entry.get("frame")
        if entry["direction"] != "in" or not frame or frame[0] != 2:
            continue
        if frame[2] == "SetChargingProfile":
            profile = frame[3]["csChargingProfiles"]
            periods = profile["chargingSchedule"]["chargingSchedulePeriod"]
            if periods[0]["limit"] == shed.watts:
                at_s = datetime.fromisoformat(entry["at"].replace("Z", "+00:00")).timestamp()
                found.setdefault(profile["chargingProfilePurpose"], []).append(at_s)
    return found


def _lapse(site: Site, twins: Twins) -> float:
    """Shed a charger for a short time, and kill all nodes. Return when it was free again."""
    shed = Shed(twins.ids[-1], 4_000, "all")
    _write(site.alive[0], shed, _LAST_MINUTES)
    assert shed.outcome == "done", shed
    began_s = time.monotonic()
    for each in site.alive:
        each.end(signal.SIGKILL)

    def limit_kw() -> float:
        return float(twins.state(shed.charger)["connectors"][0]["limit_kw"])

    until(lambda: limit_kw() > shed.watts / 1_000, 60 * _LAST_MINUTES + LIMIT_S)
    return time.monotonic() - began_s


# ---- the account -----------------------------------------------------------------------------


def _post(node: NodeProcess, method: str, arguments: dict[str, Any]) -> requests.Response:
    url = f"{node.control_url}/accounts/{ACCOUNT}/{method}"
    return requests.post(url, json=arguments, headers=_HEADERS, timeout=LIMIT_S)


def _read(site: Site, charger: str, attribute: str) -> Any:
    """Return a value; None where it is not reported now."""
    points = {"it": {"attribute": attribute, "station": charger, "port": 1, "currency": 0}}
    for node in site.alive:
        try:
            answer = _post(node, "read", {"points": points})
        except requests.RequestException:
            continue
        if answer.status_code == 200:
            return answer.json()["values"].get("it")
    return None


def _wait_readable(site: Site, chargers: list[str]) -> None:
    for each in chargers:
        until(lambda name=each: _read(site, name, "Status") is not None, LIMIT_S)


def _holder(site: Site) -> str:
    def look() -> Any:
        url = f"{site.alive[0].control_url}/accounts/{ACCOUNT}"
        answer = requests.get(url, headers=_HEADERS, timeout=LIMIT_S).json()
        return answer.get("holder") and answer["holder"]["node"]

    return str(until(look, LIMIT_S))


def _owner(site: Site, charger: str) -> str:
    return str(site.rows("SELECT node FROM owners WHERE charge_point = $1", charger)[0][0])


def _named(site: Site, name: str) -> NodeProcess:
    return next(each for each in site.alive if each.name == name)


def _is_charging(state: dict[str, Any]) -> bool:
    return bool(state["connectors"][0]["status"] == "Charging")


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
