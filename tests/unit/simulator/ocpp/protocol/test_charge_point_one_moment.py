"""What a twin tells of a transaction's begin and end is what it records, however fast its clock."""

from __future__ import annotations

import pytest

from chargepoint_driver.simulator import ManualClock

from ..conftest import values

CP = "CP0001"
REGISTER = "Energy.Active.Import.Register"


class Hasty(ManualClock):
    """Goes on by ten seconds whenever somebody looks."""

    def now_s(self) -> float:
        self.advance(10)
        return super().now_s()


@pytest.mark.parametrize("ocpp", ["1.6", "2.0.1"])
def test_told_as_recorded(ocpp, central, twins_of):
    twins = twins_of(ocpp=ocpp, clock=Hasty())
    twins.start_charging(CP, battery_kwh=200, soc_percent=0, max_ac_kw=22)
    twins.stop_charging(CP)
    (recorded,) = twins.state(CP)["transactions"]
    assert recorded["meter_stop_wh"] > recorded["meter_start_wh"]
    if ocpp == "1.6":
        central.wait_for("StopTransaction")
        reported = [
            central.payloads("StartTransaction")[0]["meterStart"],
            central.payloads("StopTransaction")[0]["meterStop"],
        ]
    else:
        central.wait(lambda: "'Ended'" in str(central.payloads("TransactionEvent")))
        events = central.payloads("TransactionEvent")
        reported = [values(events[0], REGISTER)[0], values(events[-1], REGISTER)[0]]
    assert reported == [recorded["meter_start_wh"], recorded["meter_stop_wh"]]
