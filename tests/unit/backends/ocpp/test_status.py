"""The live status, by the tables of the specification."""

from __future__ import annotations

import pytest

from .conftest import eventually

OPERATIVE = [
    "Available",
    "Preparing",
    "Charging",
    "SuspendedEVSE",
    "SuspendedEV",
    "Finishing",
    "Reserved",
]


@pytest.mark.parametrize("status", OPERATIVE)
def test_operative(site, status) -> None:
    site.charger().status(status)
    point = site.point()
    assert (point.available_for_charging, point.composite_status) == (1, "up")
    assert point.requires_maintenance == -1
    assert point.status == ("AVAILABLE" if status == "Available" else "INUSE")


@pytest.mark.parametrize(("status", "maintenance"), [("Unavailable", -1), ("Faulted", 1)])
def test_inoperative(site, status, maintenance) -> None:
    site.charger().status(status)
    point = site.point()
    assert (point.available_for_charging, point.composite_status) == (-1, "down")
    assert (point.requires_maintenance, point.status) == (maintenance, "UNKNOWN")


@pytest.mark.parametrize("fault", [{"errorCode": "GroundFailure"}, {"vendorErrorCode": "E42"}])
def test_an_error_counts_for_an_hour(site, clock, fault) -> None:
    charger = site.charger()
    # Its own clock does not matter: what counts is when it was received.
    charger.status("Available", timestamp=clock.iso(5 * 3600), **fault)
    assert (site.point().composite_status, site.point().requires_maintenance) == ("down", 1)
    charger.status("Available", timestamp=clock.iso(5 * 3600 - 1))
    clock.ahead_s += 3500
    charger.ask("Heartbeat", {})
    assert site.point().requires_maintenance == 1
    clock.ahead_s += 200
    charger.ask("Heartbeat", {})
    assert (site.point().composite_status, site.point().requires_maintenance) == ("up", -1)


@pytest.mark.parametrize("code", ["", "0", "NoError", "0x0000"])
def test_vendor_codes_that_mean_nothing(site, code) -> None:
    site.charger().status("Available", vendorErrorCode=code)
    assert site.point().requires_maintenance == -1


def test_connector_0_concerns_all(site) -> None:
    charger = site.charger()
    charger.status("Available", 1)
    charger.status("Available", 2)
    charger.status("Unavailable", 0)
    assert site.point().available_for_charging == -1
    assert site.connector(2).available_for_charging == -1
    charger.status("Available", 0, errorCode="HighTemperature")
    assert site.connector(1).requires_maintenance == 1


def test_one_faulted_connector_is_not_the_other(site) -> None:
    charger = site.charger()
    charger.status("Faulted", 1)
    charger.status("Available", 2)
    assert (site.connector(1).available_for_charging, site.connector(2).available_for_charging) == (
        -1,
        1,
    )
    assert site.point().available_for_charging == 1


def test_silence_is_unreachable(site, clock) -> None:
    site.charger().status("Available")
    clock.ahead_s += 121
    point = site.point()
    assert (point.status, point.available_for_charging, point.composite_status) == (
        "UNREACHABLE",
        -1,
        "down",
    )
    assert site.system.active_charge_points() == []


def test_pongs_are_signs_of_life(start, clock) -> None:
    site = start(ping_s=0.05)
    site.charger().status("Available")
    clock.ahead_s += 500
    eventually(lambda: site.point().available_for_charging == 1)


def test_nothing_reported_is_none(site) -> None:
    site.charger().boot()
    point = site.point()
    assert (point.available_for_charging, point.load_kw, point.status) == (None, None, "UNKNOWN")
