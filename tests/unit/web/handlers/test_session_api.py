"""Sessions with their costs, sums, files and reports, from a real server."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from chargepoint_driver.billing import bills
from chargepoint_driver.errors import TransientError
from chargepoint_driver.web.handlers import session_api

from ..conftest import STATION, eventually

ZONE = "America/Los_Angeles"
TARIFF = {"name": "Staff", "currency": "USD", "per_kwh": "0.25", "per_session": "1.00"}
KEYS = {"lobby": ("viewer", "key-of-the-lobby-of-these-tests")}


def made(make_site, *tariffs, centres=None, **web):
    """A site whose page has these tariffs."""
    account_file = None if centres is None else str(centres)
    billing = {"time_zone": ZONE, "tariffs": list(tariffs), "cost_centres": account_file}
    return make_site(billing=billing, web=web).ready()


@pytest.fixture
def priced(make_site):
    return made(make_site, TARIFF)


def since(site, days: float) -> str:
    return iso(site.wall() - days * 86_400)


def iso(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, timezone.utc).isoformat()


def test_pages_have_each_session_once_newest_first(priced):
    query = {"start": since(priced, 30)}
    whole = priced.get("/sessions", params={**query, "limit": 1000})
    assert whole["after"] is None
    assert whole["errors"] == {}
    assert (whole["timeZone"], whole["idTagsShown"]) == (ZONE, True)
    found, after = [], None
    for _ in range(100):
        page = priced.get("/sessions", params={**query, "limit": 3, "after": after})
        assert len(page["sessions"]) <= 3
        found += page["sessions"]
        after = page["after"]
        if after is None:
            break
    assert found == whole["sessions"]
    assert len(found) > 6
    begins = [each["startTime"] for each in found]
    assert begins == sorted(begins, reverse=True)
    history = priced.get("/history", params=query)["sessions"]
    assert len(history) == len(found)
    energies = {str(each["transactionId"]): each["energy"] for each in history}
    mine = {each["transactionId"]: round(each["energy"], 1) for each in found}
    assert mine == energies


def test_costs_and_sums(priced):
    query = {"start": since(priced, 30)}
    found = priced.get("/sessions", params={**query, "limit": 1000})["sessions"]
    ended = [each for each in found if each["hasEnded"]]
    for each in ended:
        exact = 1 + each["energy"] / 1_000 * 0.25
        assert float(each["cost"]) == pytest.approx(exact, abs=0.0051)
        assert (each["currency"], each["tariff"], each["costReason"]) == ("USD", "Staff", None)
        kinds = [part["kind"] for part in each["costParts"]]
        assert kinds == ["session", "energy"]
    running = [each for each in found if not each["hasEnded"]]
    assert running
    assert {(each["cost"], each["costReason"]) for each in running} == {(None, "running")}
    assert {each["energyIsMinimum"] for each in running} == {True}
    sums = priced.get("/sessions/sums", params=query)
    assert (sums["sessions"], sums["running"]) == (len(found), len(running))
    cents = sum(round(float(each["cost"]) * 100) for each in ended)
    assert sums["costs"] == {"USD": f"{cents / 100:.2f}"}
    assert sums["energy"] == pytest.approx(sum(each["energy"] for each in ended))
    assert sums["durationSecs"] == pytest.approx(sum(each["durationSecs"] for each in ended))
    assert (sums["costUnknown"], sums["energyUnknown"]) == (0, 0)


def test_station_port_and_tag(priced):
    query = {"start": since(priced, 30), "limit": 1000}
    found = priced.get("/sessions", params=query)["sessions"]
    ask = lambda **more: priced.get("/sessions", params={**query, **more})["sessions"]  # noqa: E731
    of_port = [e for e in found if (e["cpid"], e["connectorId"]) == (STATION, 2)]
    assert ask(cpid=STATION, connectorId=2) == of_port
    tag = next(each["idTag"] for each in found if each["idTag"])
    assert ask(idTag=f" {tag.lower()}") == [each for each in found if each["idTag"] == tag]
    assert ask(idTag="nobody") == []
    sums = priced.get("/sessions/sums", params={**query, "idTag": tag})
    assert sums["sessions"] == len([each for each in found if each["idTag"] == tag])


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"limit": 0}, "limit: must be a whole number from 1 to 1000"),
        ({"limit": "1001"}, "limit: must be"),
        ({"after": "x"}, "after: must be the value of after"),
        ({"after": "WzEsMl0"}, "after: is not of this list"),
        ({"start": "yesterday"}, "start: 'yesterday' is not an ISO 8601 time"),
        ({"start": "2026-02-02", "end": "2026-02-01"}, "start: must lie before end"),
        ({"connectorId": 1}, "cpid: is missing"),
        ({"connectorId": "one", "cpid": STATION}, "connectorId: must be"),
        ({"idTag": "x" * 300}, "idTag: must have at most 255 characters"),
    ],
)
def test_a_query_that_is_wrong(priced, query, words):
    assert words in priced.get("/sessions", 400, params=query)["error"]["message"]


def test_times_at_the_ends_of_the_calendar(priced):
    for query in ({"start": "0001-01-01"}, {"start": "1900-01-01", "end": "9999-12-31"}):
        assert priced.get("/sessions", params=query)["sessions"]
    priced.get("/sessions", 400, params={"end": "0001-01-01"})


def test_an_account_or_a_month_that_is_not_there(priced):
    error = priced.get("/sessions", 404, params={"account": "yard"})["error"]
    assert "there is no 'yard'" in error["message"]
    assert "YYYY-MM" in priced.get("/report", 400, params={"month": "2026-13"})["error"]["message"]
    present = datetime.fromtimestamp(priced.wall(), ZoneInfo(ZONE))
    assert priced.get("/report")["month"] == f"{present:%Y-%m}"
    priced.get("/report", 404, params={"month": "2026-01", "account": "yard"})


def rows(site, path: str, **query):
    answer = site.session.get(f"{site.server.url}api/v1{path}", params=query, timeout=30)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["Content-Disposition"]
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_the_file_has_all_sessions(priced, monkeypatch):
    monkeypatch.setattr(bills, "_CHUNK", 3)
    query = {"start": since(priced, 30)}
    found = priced.get("/sessions", params={**query, "limit": 1000})["sessions"]
    lines = rows(priced, "/sessions.csv", **query)
    assert [line["session"] for line in lines] == [each["transactionId"] for each in found]
    for line, each in zip(lines, found, strict=True):
        assert line["cost"] == (each["cost"] or "")
        assert line["id_tag"] == (each["idTag"] or "")
        assert float(line["energy_kwh"]) == pytest.approx(each["energy"] / 1_000)
        begin = datetime.fromisoformat(line["begin"])
        assert begin == datetime.fromisoformat(each["startTime"])
        assert begin.utcoffset() in (timedelta(hours=-8), timedelta(hours=-7))
        assert line["cost_reason"] == (each["costWords"] or "")


def test_the_report_of_a_month(make_site, tmp_path):
    centres = tmp_path / "centres.csv"
    centres.write_text("id_tag,cost_centre\n")
    site = made(make_site, TARIFF, centres=centres)
    query = {"start": since(site, 40), "limit": 1000}
    found = [each for each in site.get("/sessions", params=query)["sessions"] if each["hasEnded"]]
    tag = next(each["idTag"] for each in found if each["idTag"])
    # It is read for each report.
    centres.write_text(f"id_tag,cost_centre\n{tag.lower()},4711\n")
    month = found[0]["endTime"][:7]
    report = site.get("/report", params={"month": month})
    assert (report["month"], report["timeZone"]) == (month, ZONE)
    names = [row["costCentre"] for row in report["costCentres"]]
    assert names[0] == "4711"
    assert (
        sum(row["sums"]["sessions"] for row in report["costCentres"])
        == (report["total"]["sessions"])
    )
    assert {row["idTag"] for row in report["idTags"] if row["costCentre"] == "4711"} == {tag}
    lines = rows(site, "/report.csv", month=month)
    assert [line["cost_centre"] for line in lines][:: len(lines) - 1] == ["4711", "total"]
    total = report["total"]
    assert lines[-1]["cost_USD"] == total["costs"]["USD"]
    assert lines[-1]["sessions"] == str(total["sessions"])
    by_tag = rows(site, "/report.csv", month=month, by="idTag")
    assert [line["id_tag"] for line in by_tag[:-1]] == [
        row["idTag"] or "" for row in report["idTags"]
    ]
    centres.write_text("id_tag,cost_centre\n")
    report = site.get("/report", params={"month": month})
    assert [row["costCentre"] for row in report["costCentres"]] == [None]
    assert rows(site, "/report.csv", month=month)[0]["cost_centre"] == "not assigned"
    centres.write_text(f"id_tag,cost_centre\n{tag},\n")
    error = site.get("/report", 400, params={"month": month})["error"]
    assert "line 2: idTag" in error["message"]


def test_who_may_see_id_tags(make_site, monkeypatch):
    monkeypatch.setenv("KEY_lobby", KEYS["lobby"][1])
    site = made(make_site, TARIFF, keys={"lobby": {"role": "viewer", "key_env": "KEY_lobby"}})
    site.session.headers["X-API-Key"] = KEYS["lobby"][1]
    query = {"start": since(site, 30)}
    page = site.get("/sessions", params={**query, "limit": 1000})
    assert page["idTagsShown"] is False
    assert {each["idTag"] for each in page["sessions"]} == {None}
    assert "id_tag" not in rows(site, "/sessions.csv", **query)[0]
    for path in ("/sessions", "/sessions/sums", "/sessions.csv"):
        error = site.get(path, 403, params={**query, "idTag": "x"})["error"]
        assert (error["code"], "operator" in error["message"]) == ("not_permitted", True)
    for path in ("/report", "/report.csv"):
        assert site.get(path, 403, params={"month": "2026-01"})["error"]["role"] == "operator"


def test_id_tags_that_nobody_sees(make_site):
    site = made(make_site, TARIFF, id_tags="nobody")
    assert site.get("/sessions")["idTagsShown"] is False
    assert "nobody" in site.get("/sessions", 403, params={"idTag": "x"})["error"]["message"]
    month = iso(site.wall())[:7]
    assert site.get("/report", params={"month": month})["idTags"] is None
    site.get("/report.csv", 403, params={"month": month, "by": "idTag"})


def test_chargepoints_own_pricing_where_no_tariff_is_configured(make_site):
    site = make_site().ready()
    tariff = site.sim.world.stations[0].tariff
    # Each of them ended within `sessionTime`.
    query = {"start": since(site, 30), "limit": 1000}
    ended = eventually(
        lambda: [e for e in site.get("/sessions", params=query)["sessions"] if e["cost"]]
    )
    for each in ended:
        hours = each["durationSecs"] / 3_600
        exact = tariff.per_session + tariff.per_kwh * each["energy"] / 1_000
        exact = min(max(exact + tariff.per_hour * hours, tariff.min_price), tariff.max_price)
        assert float(each["cost"]) == pytest.approx(exact, abs=0.0051)
        assert (each["tariff"], each["currency"]) == ("ChargePoint", "USD")


def test_a_service_that_is_down_gives_no_sum_and_no_file(priced, monkeypatch):
    priced.sim.faults.set("getChargingSessionData", "http", status=503)
    for path in ("/sessions", "/sessions/sums", "/sessions.csv"):
        priced.get(path, 503, params={"start": since(priced, 9)})
    month = iso(priced.wall())[:7]
    for path in ("/report", "/report.csv"):
        priced.get(path, 503, params={"month": month})


def test_a_file_that_cannot_be_finished_does_not_look_whole(priced, monkeypatch):
    def broken(parts, zone, *, with_id_tags):
        yield "account\n"
        yield "garage\n" * 1_000
        raise TransientError("the service is down")

    monkeypatch.setattr(session_api, "sessions_csv", broken)
    url = f"{priced.server.url}api/v1/sessions.csv"
    with pytest.raises(OSError, match=r"(?i)ended|prematurely|reset|broken|aborted"):
        priced.session.get(url, timeout=30)
    assert priced.get("/health")["good"] is True
