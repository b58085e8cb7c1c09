"""Every kind of bad row is reported, all of them at once, with place and cure."""

from __future__ import annotations

import pytest

from chargepoint_driver.errors import ConfigurationError

from .rows import SHORT, of, row

STATUS, STATION = "StationStatusRegister", "StationRegister"
# (row, column, words of the problem, words of the cure)
BAD = {
    "misspelt attribute": (
        row("portLaod"), "attribute", "unknown attribute 'portLaod'", "did you mean 'portLoad'?"),
    "attribute of other case": (
        row("shedstate"), "attribute", "unknown attribute", "did you mean 'shedState'?"),
    "attribute like nothing": (
        row("qqqqqq"), "attribute", "unknown attribute 'qqqqqq'", "docs/reference/points"),
    "empty attribute": (row("", name="x"), "attribute", "is empty", "docs/reference/points"),
    "other register": (
        row("portLoad", STATUS), "register", f"{STATUS} holds no attribute 'portLoad'",
        "write LoadRegister"),
    "register of several": (
        row("sessionID", STATUS), "register", "holds no attribute",
        "write LoadRegister or ChargingSessionRegister"),
    "unknown register": (
        row("portLoad", "LoadRegistre"), "register", "unknown register 'LoadRegistre'",
        "write one of StationStatusRegister, LoadRegister, "),
    "no register and several": (
        row("sessionID", ""), "register", "is empty and 'sessionID' stands in several",
        "write LoadRegister or ChargingSessionRegister"),
    "no port": (
        row("Status", STATUS, port=""), "port", "is empty and Status belongs to a port",
        "give the device a portNumber"),
    "no port for a load": (row(port=""), "port", "belongs to a port", "or use stationLoad"),
    "writable": (row(writable="TRUE"), "writable", "portLoad can only be read", "write FALSE"),
    "no truth value": (
        row(writable="maybe"), "writable", "'maybe' is not a boolean", "write TRUE or FALSE"),
    "unknown type": (
        row(type="double"), "type", "unknown type 'double'",
        "write one of string, str, int, integer, float, bool, boolean, datetime, dictionary"),
    "slash in the name": (row(name="a/b"), "name", "'a/b' holds a slash", "use a dot"),
    "no name at all": (row("", name=""), "name", "is empty", "give the point a name"),
}  # fmt: skip
for text in ("one", "0", "-1", "1.5", "１", "²", "1_0", "nan", "inf", "1e999", "1,2"):
    BAD[f"port {text}"] = (
        row(port=text), "port", f"{text!r} is not a port number", "write 1, 2, … or nothing",
    )  # fmt: skip
for text in ("fast", "0", "-5", "0.5", "６０", "inf", "nan", "60s", "1_000"):
    BAD[f"interval {text}"] = (
        row(interval=text), "interval", f"{text!r} is not an interval", "write whole seconds",
    )  # fmt: skip
for text in ("old", "-1", "inf", "nan", "３０", "30 s"):
    BAD[f"currency {text}"] = (
        row(currency=text), "currency", f"{text!r} is not a number of seconds", "write seconds",
    )  # fmt: skip


@pytest.mark.parametrize(("bad", "column", "problem", "cure"), BAD.values(), ids=BAD)
def test_a_bad_row_is_one_fault_with_place_and_cure(bad, column, problem, cure):
    registry = of(row("Status", STATUS), bad, row("TimeStamp", STATUS))
    fault = next(fault for fault in registry.faults if fault.column == SHORT[column])
    assert (fault.source, fault.row) == ("device.csv", 3)
    assert problem in fault.problem
    assert cure in fault.cure
    assert str(fault).startswith(f"device.csv: row 3: {SHORT[column]}: ")
    assert {found.row for found in registry.faults} == {3}
    assert set(registry.points) == {"Status", "TimeStamp"}


def test_all_faults_come_at_once():
    rows = [bad for bad, *_ in BAD.values()]
    registry = of(*rows)
    assert {fault.row for fault in registry.faults} == set(range(2, len(rows) + 2))
    assert registry.points == {}
    with pytest.raises(ConfigurationError) as caught:
        registry.raise_faults()
    assert str(caught.value).splitlines() == [str(fault) for fault in registry.faults]
    assert isinstance(caught.value, ValueError)


def test_several_faults_of_one_row_are_all_named():
    registry = of(
        row("", "Nope", name="a/b", port="x", type="y", writable="z", interval="i", currency="c")
    )
    columns = [fault.column for fault in registry.faults]
    wanted = ["name", "attribute", "register", "type", "writable", "port", "interval", "currency"]
    assert columns == [SHORT[name] for name in wanted]


@pytest.mark.parametrize(("given", "device"), [("2", 1), ("1", 2)])
def test_a_row_of_another_port_than_the_devices(given, device):
    registry = of(row(port=given), port_number=device)
    (fault,) = registry.faults
    assert fault.column == SHORT["port"]
    assert f"the device is port {device}" in fault.problem
    assert registry.points == {}


def test_good_rows_raise_nothing():
    registry = of(row())
    registry.raise_faults()
    assert list(registry.points) == ["portLoad"]
