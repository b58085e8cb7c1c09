"""The table of names per version, and the rows that every version has."""

from __future__ import annotations

from dataclasses import astuple, fields

import pytest

from chargepoint_driver.simulator.ocpp.settings import SettingNames
from chargepoint_driver.simulator.ocpp.v16 import configuration_keys
from chargepoint_driver.simulator.ocpp.v201 import variables


@pytest.mark.parametrize("version", [configuration_keys, variables])
def test_each_name_is_a_row_of_its_own(version):
    names = astuple(version.NAMES)
    assert len(set(names)) == len(names) == len(fields(SettingNames))
    assert set(names) <= set(version.rows(2))


def test_common_rows_begin_alike():
    one, other = configuration_keys.rows(3), variables.rows(3)
    for field in fields(SettingNames):
        first = one[getattr(configuration_keys.NAMES, field.name)]
        second = other[getattr(variables.NAMES, field.name)]
        assert (first.value, first.readonly) == (second.value, second.readonly), field.name
    assert one["NumberOfConnectors"].value == other["EVSE.Count"].value == "3"


@pytest.mark.parametrize(
    ("version", "knows_temperature"), [(configuration_keys, True), (variables, False)]
)
def test_a_list_of_measurands_has_known_ones_only(version, knows_temperature):
    row = version.rows(1)[version.NAMES.sampled_measurands]
    assert row.fits("")
    assert row.fits("Voltage, SoC")
    assert not row.fits("Voltage,Volts")
    assert row.fits("Temperature") is knows_temperature
