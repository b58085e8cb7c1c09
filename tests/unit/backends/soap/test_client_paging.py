from __future__ import annotations

import logging

import pytest

from chargepoint_driver.backend import Request
from chargepoint_driver.backends.soap import client
from chargepoint_driver.errors import InvalidReplyError, NotFoundError, TransientError

from .service import reply


def stations(first, last, more="0", call="getStations", flag="moreFlag"):
    rows = "".join(
        f"<stationData><stationID>1:{n}</stationID></stationData>" for n in range(first, last + 1)
    )
    return reply(call, f"{rows}<{flag}>{more}</{flag}>")


def sessions(first, last, more):
    rows = "".join(
        f"<ChargingSessionData><stationID>1:{n}</stationID><portNumber>1</portNumber>"
        f"<sessionID>{n}</sessionID></ChargingSessionData>"
        for n in range(first, last + 1)
    )
    return reply("getChargingSessionData", f"{rows}<MoreFlag>{more}</MoreFlag>")


def starts(service):
    return [request.texts("searchQuery/startRecord") for request in service.requests]


@pytest.mark.parametrize("more", ["1", " 1 ", "true", "TRUE", "2"])
def test_pages_follow_the_rows_received(more, backend, service):
    service.answers(stations(1, 500, more), stations(501, 620, more), stations(621, 700))
    assert len(backend.fetch(Request("getStations")).records) == 700
    assert starts(service) == [["1"], ["501"], ["621"]]
    assert service.requests[0].texts("searchQuery/numStations") == ["500"]


def test_the_session_calls_flag_is_spelt_otherwise(backend, service):
    service.answers(sessions(1, 100, 1), sessions(101, 150, 0))
    assert len(backend.fetch(Request("getChargingSessionData")).records) == 150
    assert starts(service) == [["1"], ["101"]]


def test_alarms_come_100_a_page(backend, service):
    service.answers(reply("getAlarms", code="153"))
    assert backend.fetch(Request("getAlarms")).records == {}
    assert service.requests[0].texts("searchQuery/numTransactions") == ["100"]


@pytest.mark.parametrize("more", ["0", "", "false"])
def test_without_flag_there_is_no_other_page(more, backend, service):
    service.answers(stations(1, 3, more))
    assert len(backend.fetch(Request("getStations")).records) == 3
    assert len(service.requests) == 1


def test_a_missing_flag_ends_too(backend, service):
    service.answers(reply("getStations"))
    assert backend.fetch(Request("getStations")).records == {}
    assert len(service.requests) == 1


def test_an_empty_page_is_the_last_one(backend, service, caplog):
    service.answers(stations(1, 5, 1), stations(1, 0, 1))
    assert len(backend.fetch(Request("getStations")).records) == 5
    assert len(service.requests) == 2
    assert "getStations" in caplog.text
    assert "nothing new" in caplog.text


def test_a_repeated_page_is_the_last_one(backend, service, caplog):
    caplog.set_level(logging.WARNING)
    service.answers(stations(1, 5, 1))
    assert len(backend.fetch(Request("getStations")).records) == 5
    assert len(service.requests) == 2


def test_a_page_that_overlaps_brings_what_is_new(backend, service):
    service.answers(stations(1, 5, 1), stations(4, 8, 1), stations(9, 9))
    assert len(backend.fetch(Request("getStations")).records) == 9
    assert starts(service) == [["1"], ["6"], ["11"]]


@pytest.mark.parametrize("code", ["102", "136", "153"])
def test_no_match_behind_the_last_row_is_the_end(code, backend, service):
    service.answers(stations(1, 5, 1, "getStationStatus"), reply("getStationStatus", code=code))
    found = backend.fetch(Request("getStationStatus", ("1:1", "1:5"))).records
    assert len(found) == 5


def test_no_match_on_the_first_page_is_an_error_unless_nothing_is_an_answer(backend, service):
    service.answers(reply("getStations", code="102"))
    with pytest.raises(NotFoundError):
        backend.fetch(Request("getStations"))
    service.answers(reply("getAlarms", code="102"))
    assert backend.fetch(Request("getAlarms")).records == {}
    with pytest.raises(NotFoundError):
        backend.fetch(Request("getAlarms", ("1:1",)))


def test_a_failure_on_a_later_page_fails_the_whole_read(backend, service):
    service.answers(stations(1, 5, 1), (503, {}, ""))
    with pytest.raises(TransientError):
        backend.fetch(Request("getStations"))


def test_a_flag_that_never_falls_ends_all_the_same(backend, service, monkeypatch):
    monkeypatch.setattr(client, "_MAX_PAGES", 4)
    service.answers(*(stations(n, n, 1) for n in range(1, 10)))
    with pytest.raises(InvalidReplyError, match="more than 4 pages"):
        backend.fetch(Request("getStations"))
    assert len(service.requests) == 4


def test_a_large_account_has_more_than_500_pages(backend, service):
    def page(number, more):
        return reply(
            "getStationRights",
            f"<rightsData><sgID>7</sgID><stationRightsProfile>read</stationRightsProfile>"
            f"<stationData><stationID>1:{number}</stationID></stationData></rightsData>"
            f"<moreFlag>{more}</moreFlag>",
        )

    service.answers(*(page(number, int(number < 600)) for number in range(1, 601)))
    assert len(backend.fetch(Request("getStationRights")).records) == 600


def test_load_has_no_pages(backend, service):
    service.answers(stations(1, 5, 1, "getLoad"))
    assert len(backend.fetch(Request("getLoad", group="7")).records) == 5
    assert starts(service) == [[]]


def test_rights_of_a_station_are_gathered_from_all_pages(backend, service):
    def page(group, profile, more):
        return reply(
            "getStationRights",
            f"<rightsData><sgID>{group}</sgID><stationRightsProfile>{profile}"
            "</stationRightsProfile><stationData><stationID>1:1</stationID></stationData>"
            f"</rightsData><moreFlag>{more}</moreFlag>",
        )

    service.answers(page(1, "read", 1), page(2, "manage", 0))
    record = backend.fetch(Request("getStationRights")).records["1:1"]
    assert record.values == {"stationRightsProfile": {"1": "read", "2": "manage"}}
    assert starts(service) == [["1"], ["2"]]
