"""What charge points are set to measure: the whole list, else what can be had."""

from __future__ import annotations

import asyncio

import pytest

from chargepoint_driver.backends.ocpp.csms.charger_requests import BUILDERS
from chargepoint_driver.backends.ocpp.model.charger import Charger
from chargepoint_driver.backends.ocpp.model.electrical import Electrical
from chargepoint_driver.backends.ocpp.protocol.measurands import set_meter_values
from chargepoint_driver.backends.ocpp.protocol.requests import RequestBuilder
from chargepoint_driver.config.quirks import MEASURANDS
from chargepoint_driver.simulator.ocpp import Twins

from ..conftest import eventually

KEYS = {
    "1.6": ("MeterValuesSampledData", "MeterValueSampleInterval"),
    "2.0.1": ("SampledDataCtrlr.TxUpdatedMeasurands", "SampledDataCtrlr.TxUpdatedInterval"),
}


class Seen:
    """A twin that has been set up, and the requests that it got."""

    def __init__(self, site, twins, ocpp) -> None:
        self.site, self.twins = site, twins
        self.out: RequestBuilder = BUILDERS[ocpp]
        self.names, self.interval = KEYS[ocpp]
        self.change = "ChangeConfiguration" if ocpp == "1.6" else "SetVariables"

    def settings(self) -> dict:
        return dict(self.site.point("T1").configuration)

    def list(self) -> list[str]:
        return self.settings()[self.names].split(",")

    def changes(self) -> int:
        return self.twins.stats()["received"].get(self.change, 0)

    def until_set_up(self) -> None:
        """The last request of getting to know it has come."""
        read = "GetConfiguration" if self.change == "ChangeConfiguration" else "GetVariables"
        eventually(lambda: self.twins.stats()["received"].get(read, 0))
        self.site.system.call("T1", "ClearCache", {})


@pytest.fixture
def meet(start):
    running = []

    def make(ocpp="1.6", quirks=None, settings=None, configuration=None, **fields):
        site = start(configuration_delay_s=0, **fields)
        twins = Twins(
            site.system.ocpp_url,
            [{"id": "T1"}],
            ocpp=ocpp,
            speed=1,
            quirks=quirks or {},
            configuration=configuration or {},
        ).start()
        running.append(twins)
        twins.wait_connected()
        return Seen(site, twins, ocpp)

    yield make
    for twins in running:
        twins.stop()


@pytest.mark.parametrize("ocpp", ["1.6", "2.0.1"])
def test_the_whole_list_and_the_interval_at_once(meet, ocpp) -> None:
    it = meet(
        ocpp,
        meter_interval_s=30,
        configuration={KEYS[ocpp][0]: "Power.Offered,Voltage", KEYS[ocpp][1]: "0"},
    )
    eventually(lambda: it.settings().get(it.interval) == "30")
    wanted = [name for name in MEASURANDS if name not in it.out.lacks]
    assert it.list() == [*wanted, "Power.Offered"]
    assert it.changes() == 2
    # What was read before is still known: the unit of limits is among it.
    assert it.settings().keys() > {it.names, it.interval}
    assert it.out.rate_units in it.settings()
    reported = it.site.system.call("T1", *it.out.configuration([it.names, it.interval]))
    assert it.out.read_configuration(reported) == {
        it.names: ",".join([*wanted, "Power.Offered"]),
        it.interval: "30",
    }


@pytest.mark.parametrize("ocpp", ["1.6", "2.0.1"])
def test_what_is_well_is_left(meet, ocpp) -> None:
    wanted = [name for name in MEASURANDS if name not in BUILDERS[ocpp].lacks]
    it = meet(ocpp, configuration={KEYS[ocpp][0]: ",".join(wanted), KEYS[ocpp][1]: "15"})
    eventually(lambda: it.settings().get(it.interval) == "15")
    it.until_set_up()
    assert it.changes() == 0


def test_one_by_one_where_the_list_is_refused(meet) -> None:
    known = ["Energy.Active.Import.Register", "Voltage", "Power.Active.Import"]
    it = meet(
        quirks={"sampled_data_as_a_whole": {"known": known, "most": 2}},
        configuration={KEYS["1.6"][0]: "Energy.Active.Import.Register"},
    )
    eventually(lambda: len(it.settings().get(it.names, "").split(",")) == 2)
    assert it.list() == ["Power.Active.Import", "Energy.Active.Import.Register"]
    changes = it.changes()
    assert changes == 1 + len(MEASURANDS)
    # What it refused is not tried again.
    it.twins.act("T1", "reboot")
    eventually(lambda: it.twins.state("T1")["connections"] > 1)
    it.twins.wait_connected()
    before = it.twins.stats()["received"].get("GetConfiguration", 0)
    eventually(lambda: it.twins.stats()["received"].get("GetConfiguration", 0) > before - 1)
    it.until_set_up()
    assert it.changes() == changes


def test_the_most_that_it_says(meet) -> None:
    it = meet(
        configuration={"MeterValuesSampledDataMaxLength": "3", KEYS["1.6"][0]: "Voltage"},
    )
    eventually(lambda: len(it.settings().get(it.names, "").split(",")) == 3)
    assert it.list() == list(MEASURANDS[:3])
    assert it.changes() == 1


@pytest.mark.parametrize(
    ("measurands", "quirk", "expected"),
    [
        ([], None, ["Voltage"]),
        (["SoC"], None, ["SoC", "Voltage"]),
        (["SoC"], ["Power.Offered"], ["Power.Offered", "Voltage"]),
        (["SoC"], [], ["Voltage"]),
    ],
)
def test_a_configuration_or_a_quirk_decides(meet, measurands, quirk, expected) -> None:
    point = {"quirks": {} if quirk is None else {"measurands": quirk}}
    it = meet(
        measurands=measurands,
        charge_points={"T1": point},
        configuration={KEYS["1.6"][0]: "Voltage", KEYS["1.6"][1]: "5"},
    )
    eventually(lambda: it.settings().get(it.names) == ",".join(expected))
    it.until_set_up()
    assert it.list() == expected


BOUNDS = ("SampledDataCtrlr.TxStartedMeasurands", "SampledDataCtrlr.TxEndedMeasurands")
REGISTER = "Energy.Active.Import.Register"


class Settings:
    """A charging station that takes some values of some settings."""

    def __init__(self, takes, **reported) -> None:
        self.out = BUILDERS["2.0.1"]
        self.point = Charger("CP1", Electrical(230, 3), configuration=reported)
        self.takes = takes
        self.sent: list[tuple[str, str]] = []

    async def call(self, point, ask):
        (data,) = ask[1]["setVariableData"]
        name = f"{data['component']['name']}.{data['variable']['name']}"
        if name not in BOUNDS:
            return {"setVariableResult": [{"attributeStatus": "Accepted"}]}
        self.sent.append((name, data["attributeValue"]))
        status = "Accepted" if self.takes(name, data["attributeValue"]) else "Rejected"
        return {"setVariableResult": [{"attributeStatus": status}]}

    def set_up(self, wanted=("Power.Active.Import",)) -> dict[str, str]:
        self.sent.clear()
        changed = asyncio.run(set_meter_values(self.point, self.out, self.call, wanted, 60))
        self.point.configuration = {**self.point.configuration, **changed}
        return {name: value for name, value in changed.items() if name in BOUNDS}


def test_the_register_is_measured_at_the_begin_and_at_the_end() -> None:
    it = Settings(lambda name, value: True, **{BOUNDS[0]: "", BOUNDS[1]: "SoC,Voltage"})
    changed = it.set_up()
    assert changed == {BOUNDS[0]: REGISTER, BOUNDS[1]: f"{REGISTER},SoC,Voltage"}
    assert it.set_up() == {}
    assert it.sent == []


def test_where_it_is_measured_already_nothing_is_changed() -> None:
    reported = dict.fromkeys(BOUNDS, f"Voltage,{REGISTER}")
    it = Settings(lambda name, value: True, **reported)
    assert it.set_up() == {}
    assert it.sent == []


def test_the_register_alone_where_the_list_is_refused_and_never_again_where_that_is() -> None:
    it = Settings(lambda name, value: name == BOUNDS[0] and value == REGISTER, **{BOUNDS[0]: "SoC"})
    assert it.set_up() == {BOUNDS[0]: REGISTER}
    assert it.sent == [
        (BOUNDS[0], f"{REGISTER},SoC"),
        (BOUNDS[0], REGISTER),
        (BOUNDS[1], REGISTER),
    ]
    it.set_up()
    assert it.sent == []


def test_no_measurands_leave_these_settings_alone_too() -> None:
    it = Settings(lambda name, value: True)
    assert it.set_up(wanted=()) == {}
    assert it.sent == []
