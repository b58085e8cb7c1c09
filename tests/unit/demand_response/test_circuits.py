"""Circuits: what each port may draw, and that no circuit is ever above its limit."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chargepoint_driver.demand_response.circuits import (
    CircuitConfig,
    Circuits,
    PortConfig,
    PortState,
    allocate,
)
from chargepoint_driver.demand_response.circuits.allocation import Network
from chargepoint_driver.demand_response.circuits.config import problems
from chargepoint_driver.demand_response.schedule import ScheduleConfig
from chargepoint_driver.errors import ConfigurationError

ACTIVE = PortState(is_active=True)


def port(name, **fields):
    return PortConfig(**{"device": name, "max_a": 32.0, **fields})


def network(amps=40.0, ports=3, kw=None, **fields):
    circuits = {
        "garage": CircuitConfig(
            amps=amps, kw=kw, ports={f"p{n}": port(f"p{n}", **fields) for n in range(1, ports + 1)}
        )
    }
    return Network(circuits)


def room(net):
    found = {}
    for name, circuit in net.circuits.items():
        if circuit.kw is not None:
            found[name, 0] = circuit.kw
        if circuit.amps is not None:
            found |= {(name, phase): circuit.amps for phase in (1, 2, 3)}
    return found


def test_active_ports_share_alike_and_idle_ones_keep_the_minimum() -> None:
    net = network(amps=40)
    assert allocate(net, room(net), {"p1": ACTIVE, "p2": ACTIVE}) == {
        "p1": 17.0,
        "p2": 17.0,
        "p3": 6.0,
    }


def test_an_idle_port_gets_nothing_where_active_ones_need_it() -> None:
    net = network(amps=14)
    assert allocate(net, room(net), {"p2": ACTIVE, "p3": ACTIVE}) == {
        "p1": 0.0,
        "p2": 7.0,
        "p3": 7.0,
    }


def test_less_than_the_minimum_for_all_goes_to_those_whose_turn_it_is() -> None:
    net = network(amps=13)
    states = dict.fromkeys(["p1", "p2", "p3"], ACTIVE)
    assert allocate(net, room(net), states, ["p3", "p2", "p1"]) == {
        "p1": 0.0,
        "p2": 6.5,
        "p3": 6.5,
    }


def test_the_highest_priority_is_filled_first() -> None:
    ports = {"p1": port("p1"), "p2": port("p2", priority=5)}
    net = Network({"garage": CircuitConfig(amps=40, ports=ports)})
    assert allocate(net, room(net), {"p1": ACTIVE, "p2": ACTIVE}) == {"p1": 8.0, "p2": 32.0}


def test_ports_on_different_phases_do_not_share() -> None:
    ports = {"p1": port("p1", phases=[1]), "p2": port("p2", phases=[2])}
    net = Network({"garage": CircuitConfig(amps=20, ports=ports)})
    assert allocate(net, room(net), {"p1": ACTIVE, "p2": ACTIVE}) == {"p1": 20.0, "p2": 20.0}
    learned = PortState(True, (1,)), PortState(True, (3,))
    net = network(amps=20, ports=2)
    assert allocate(net, room(net), dict(zip(["p1", "p2"], learned, strict=True))) == {
        "p1": 20.0,
        "p2": 20.0,
    }


def test_the_kw_of_the_circuit_above_holds_both_below() -> None:
    net = Network(
        {
            "site": CircuitConfig(kw=13.8),
            "a": CircuitConfig(amps=63, parent="site", ports={"p1": port("p1")}),
            "b": CircuitConfig(amps=63, parent="site", ports={"p2": port("p2")}),
        }
    )
    assert allocate(net, room(net), {"p1": ACTIVE, "p2": ACTIVE}) == {"p1": 10.0, "p2": 10.0}


def test_faults_between_circuits_are_named() -> None:
    loop = {
        "a": CircuitConfig(kw=1, parent="b", ports={"p": port("x")}),
        "b": CircuitConfig(kw=1, parent="a", ports={"p": port("x")}),
        "c": CircuitConfig(kw=1, parent="d"),
    }
    found = "; ".join(problems(loop))
    for words in ("feeds itself", "'p' is in a too", "is there twice", "no circuit 'd'"):
        assert words in found


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "needs a limit"),
        ({"kw": 10, "meter_topic": "m"}, "meter_kw"),
        ({"kw": 10, "meter_topic": "m", "meter_kw": "P"}, "failsafe_kw"),
        ({"amps": 10, "meter_topic": "m"}, "meter_amps"),
        ({"kw": True}, "must be a number"),
        ({"kw": 10, "ports": {"p": {"device": "d", "max_a": 5}}}, "min_a 6 is above max_a 5"),
        ({"kw": 10, "group": "none"}, "no group 'none'"),
    ],
)
def test_faults_of_a_circuit_are_named(fields, words) -> None:
    base = {"timezone": "UTC", "groups": {"g": {"devices": ["d"]}}}
    with pytest.raises(ConfigurationError, match=words):
        ScheduleConfig.from_dict({**base, "circuits": {"c": fields}})


# ---- over time -------------------------------------------------------------------------------


def started(circuits, now_s=0.0):
    """Circuits whose ports have all confirmed their first limits."""
    found = Circuits(circuits, now_s)
    for _ in range(3):
        for command in found.step(now_s):
            found.confirmed(command.port, command.amps)
        now_s += 61
    return found, now_s


def one_circuit(amps=20.0, ports=2, **fields):
    made = {f"p{n}": port(f"p{n}") for n in range(1, ports + 1)}
    return {"c": CircuitConfig(amps=amps, ports=made, **fields)}


def test_a_port_is_raised_only_once_the_lower_limit_of_the_other_has_taken_effect() -> None:
    circuits, now_s = started(one_circuit(amps=20))
    circuits.seen("p1", is_active=True)
    [command] = circuits.step(now_s)
    assert (command.port, command.amps) == ("p1", 14.0)
    circuits.confirmed("p1", 14.0)
    circuits.seen("p2", is_active=True)
    now_s += 61
    commands = circuits.step(now_s)
    assert [(each.port, each.amps) for each in commands] == [("p1", 10.0)]  # nothing for p2 yet
    assert circuits.step(now_s + 30) == []  # not confirmed
    circuits.confirmed("p1", 10.0)
    [command] = circuits.step(now_s + 61)
    assert (command.port, command.amps) == ("p2", 10.0)
    assert command.kw == pytest.approx(6.9)


def test_a_limit_that_failed_may_be_in_force_and_is_sent_again() -> None:
    circuits, now_s = started(one_circuit(amps=20))
    circuits.seen("p1", is_active=True)
    circuits.step(now_s)
    circuits.failed("p1", now_s)
    assert circuits.used()["c", 1] == pytest.approx(20.0)
    assert [each.port for each in circuits.step(now_s + 5)] == ["p1"]


def test_after_a_restart_of_a_charger_nothing_is_raised_before_it_confirms() -> None:
    circuits, now_s = started(one_circuit(amps=20))
    circuits.forget("p2")
    circuits.seen("p1", is_active=True)
    assert [(each.port, each.amps) for each in circuits.step(now_s)] == [("p2", 6.0)]


def test_turns_change_where_there_is_less_than_the_minimum_for_all() -> None:
    config = one_circuit(amps=13, ports=3, rotation_minutes=15)
    circuits, now_s = started(config)
    served = {}
    for name in ("p1", "p2", "p3"):
        circuits.seen(name, is_active=True)
        served[name] = 0.0
    for _ in range(360):  # an hour and a half
        for command in circuits.step(now_s):
            circuits.confirmed(command.port, command.amps)
        for name in served:
            served[name] += circuits._ports[name].sent_a > 0
        now_s += 15
    assert max(served.values()) <= 1.4 * min(served.values()), served


def test_the_other_loads_of_a_metered_circuit_leave_less_and_a_silent_meter_the_failsafe() -> None:
    config = one_circuit(
        amps=50,
        ports=1,
        meter_topic="m",
        meter_amps=["A1", "A2", "A3"],
        failsafe_amps=8.0,
        meter_timeout_seconds=60,
    )
    circuits, now_s = started(config)
    assert circuits.silent(now_s) == ["c"]
    circuits.seen("p1", is_active=True)
    [command] = circuits.step(now_s)
    assert command.amps == 8.0
    circuits.confirmed("p1", 8.0)
    assert not circuits.meter("c", now_s, amps=(1.0, float("nan"), 2.0))
    now_s += 100
    assert circuits.meter("c", now_s, amps=(30.0, 20.0, 20.0))
    [command] = circuits.step(now_s)
    assert command.amps == 20.0
    circuits.confirmed("p1", 20.0)
    for _ in range(2):
        circuits.seen("p1", is_active=True, currents={1: 20.0, 2: 20.0, 3: 20.0})
    now_s += 31
    circuits.meter("c", now_s, amps=(45.0, 40.0, 40.0))  # 25 A of others, on phase 1
    now_s += 31
    circuits.meter("c", now_s, amps=(45.0, 40.0, 40.0))
    [command] = circuits.step(now_s)
    assert command.amps == 25.0
    assert circuits.step(now_s + 61)[0].amps == 8.0
    assert circuits.silent(now_s + 61) == ["c"]


def test_a_limit_of_the_schedule_counts_for_its_circuit() -> None:
    circuits, now_s = started(one_circuit(amps=40, ports=1))
    circuits.seen("p1", is_active=True)
    [command] = circuits.step(now_s, {"c": 6.9})
    assert command.amps == 10.0


def test_phases_are_learned_from_currents_and_forgotten_with_the_vehicle() -> None:
    ports = {name: port(name, learn_phases=True) for name in ("p1", "p2")}
    circuits, now_s = started({"c": CircuitConfig(amps=20, ports=ports)})
    circuits.seen("p1", is_active=True, currents={1: 6.0, 2: 0.0, 3: 0.1})
    circuits.seen("p2", is_active=True, currents={1: 0.0, 2: 6.0, 3: 0.0})
    assert {each.port: each.amps for each in circuits.step(now_s)} == {"p1": 20.0, "p2": 20.0}
    circuits.seen("p1", is_active=False)
    lower = {each.port: each.amps for each in circuits.step(now_s + 1)}
    assert lower == {"p1": 6.0, "p2": 14.0}


def test_a_power_limit_is_taken_to_flow_on_one_phase() -> None:
    ports = {"p1": port("p1", limit_unit="W", min_a=6)}
    circuits = Circuits({"c": CircuitConfig(amps=10, ports=ports)}, 0.0)
    [command] = circuits.step(0.0)
    assert command.kw == pytest.approx(6 * 0.23)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
@given(st.integers(0, 10**9), st.floats(13, 90), st.floats(7, 50), st.booleans())
def test_no_circuit_is_ever_above_its_limit(seed, amps, kw, with_group) -> None:
    """Vehicles come and go, limits take effect late, get lost, or are in force without an answer;
    chargers restart. Draws are looked at every second."""
    chance = random.Random(seed)
    spread = [(1, 2, 3), (1,), (2,), (3,), (2, 3, 1)]
    ports = [port(f"p{n}", phases=spread[n % 5], effect_s=10.0) for n in range(8)]
    circuits = {
        "site": CircuitConfig(kw=kw, amps=amps, rotation_minutes=2),
        "left": CircuitConfig(
            parent="site",
            amps=amps * 0.6,
            ports={f"p{n}": ports[n] for n in range(4)},
            rotation_minutes=1,
        ),
        "right": CircuitConfig(
            parent="site", kw=kw * 0.7, ports={f"p{n}": ports[n] for n in range(4, 8)}
        ),
    }
    net, controller = Network(circuits), Circuits(circuits, 0.0)
    true_a = dict.fromkeys(net.ports, 32.0)  # what the chargers hold to
    coming: list[tuple[float, str, float]] = []  # (when, port, A) that takes effect
    answers: list[tuple[float, str, float]] = []
    vehicles: set[str] = set()  # none at first: limits of an earlier run are not known
    everything = {(c, p): 0.0 for c in circuits for p in (0, 1, 2, 3)}
    site_kw, is_settled = kw, False

    def above(drawn) -> list:
        limits = {
            key: limit
            for name, circuit in circuits.items()
            for key, limit in (
                ((name, 0), circuit.kw),
                *(((name, phase), circuit.amps) for phase in (1, 2, 3)),
            )
            if limit is not None
        }
        return [key for key, limit in limits.items() if drawn.get(key, 0.0) > limit + 1e-6]

    for second in range(900):
        # Before the first limits are confirmed, nobody can know what is in force.
        is_settled = is_settled or not above(controller.used())
        if is_settled and chance.random() < 0.1:
            vehicles ^= {chance.choice(sorted(net.ports))}
        if with_group and is_settled and chance.random() < 0.01:
            site_kw = chance.uniform(0.3, 1) * kw
        for each in [each for each in coming if each[0] <= second]:
            true_a[each[1]] = each[2]
            coming.remove(each)
        for each in [each for each in answers if each[0] <= second]:
            controller.confirmed(each[1], each[2])
            answers.remove(each)
        for name in net.ports:
            controller.seen(name, is_active=name in vehicles)
        for command in controller.step(second, {"site": site_kw}) if second % 3 == 0 else ():
            answers = [each for each in answers if each[1] != command.port]
            fate, late_s = chance.random(), chance.uniform(0, 9)
            # A charger carries out its commands in order.
            late_s = max([late_s, *(w - second for w, n, _ in coming if n == command.port)])
            if fate < 0.9:
                coming.append((second + late_s, command.port, command.amps))
                coming.sort(key=lambda each: each[0])
            if fate < 0.8:
                answers.append((second + chance.uniform(0, 5), command.port, command.amps))
            else:  # refused, or in force without an answer
                controller.failed(command.port, second)
        drawn: dict[tuple[str, int], float] = {}
        for name in vehicles:
            for key, cost in net.costs(name, None, everything).items():
                drawn[key] = drawn.get(key, 0.0) + cost * true_a[name]
        assert not above(drawn), (second, drawn)
    assert is_settled


@given(
    st.lists(st.booleans(), min_size=6, max_size=6),
    st.floats(0, 100),
    st.floats(0, 60),
    st.permutations(["p1", "p2", "p3", "p4", "p5", "p6"]),
)
@settings(max_examples=200, deadline=None)
def test_an_allocation_is_never_above_and_never_below_a_minimum(active, amps, kw, order) -> None:
    net = network(amps=amps, ports=6, kw=kw)
    states = {f"p{n + 1}": PortState(on) for n, on in enumerate(active)}
    given_a = allocate(net, room(net), states, order)
    assert sum(given_a.values()) <= amps + 1e-6
    assert sum(given_a.values()) * 0.69 <= kw + 1e-6
    assert all(a == 0 or 6 <= a <= 32 for a in given_a.values())
