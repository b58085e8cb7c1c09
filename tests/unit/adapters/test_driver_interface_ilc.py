"""volttron-ilc's own control code sheds and releases a port: no moment of 0 kW, free afterwards.

Needs `pip install --no-deps volttron-ilc sympy mpmath`; without `--no-deps` it brings another
VOLTTRON.
"""

from __future__ import annotations

import types
from typing import Any

import pytest

from chargepoint_driver.simulator import Simulator

from .conftest import Driver
from .devices import device, row

ilc = pytest.importorskip(
    "ilc.control_handler", reason="needs pip install --no-deps volttron-ilc sympy mpmath"
)

ONE = "a/one"


class _Answer:
    def __init__(self, value: Any) -> None:
        self._value = value

    def get(self, timeout: float | None = None) -> Any:
        return self._value


def agent_on(driver: Driver, written: list[float]) -> Any:
    """What ILC's control code needs of its agent: the calls of the actuator go to the driver."""

    def call(peer: str, method: str, *arguments: Any) -> _Answer:
        assert peer == "platform.actuator"
        if method == "get_point":
            device_topic, _, name = arguments[0].rpartition("/")
            return _Answer(driver.get(device_topic, name)[name])
        device_topic, _, name = arguments[1].rpartition("/")
        if method == "set_point":
            written.append(arguments[2])
            return _Answer(driver.set(device_topic, name, arguments[2]))
        assert method == "revert_point"
        return _Answer(driver.agent.revert_point(device_topic, name))

    return types.SimpleNamespace(
        vip=types.SimpleNamespace(rpc=types.SimpleNamespace(call=call)),
        base_rpc_path=lambda path: path,
        update_base_topic="record/ilc",
        publish_record=lambda topic, message: None,
    )


@pytest.mark.parametrize("reverts", [True, False], ids=["2.2.3", "2.2.2"])
def test_it_sheds_and_releases_by_limit(driver: Driver, sim: Simulator, reverts: bool) -> None:
    limit = row(Volttron_Point_Name="limit", Attribute_Name="limit", Writable="TRUE")
    load = row(Volttron_Point_Name="load")
    driver.start({ONE: device(sim, "1:34001", [limit, load])})
    before_kw = driver.get(ONE, "load")["load"]
    written: list[float] = []
    setting = ilc.ControlSetting.make_setting(
        control_method="value",
        logging_topic="record",
        agent=agent_on(driver, written),
        controls_object=None,
        point="limit",
        load=5.0,
        value=2.0,
        default_device=ONE,
        finalize_release_with_revert=reverts,
    )
    for _ in range(2):  # the second event begins from what the first one left
        setting.modify_load()
        assert driver.get(ONE, "load")["load"] == 2.0
        setting.release()
        setting.clear_state()
        assert driver.get(ONE, "load")["load"] == pytest.approx(before_kw, abs=0.1)
    assert min(written) == 2.0
    assert sim.calls.count("shedLoad") == 2
