"""Pages, sums and reports over several accounts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargepoint_driver.backend import Backend
from chargepoint_driver.billing import Bills, SessionFilter, SessionSource, bills
from chargepoint_driver.config import BillingConfig
from chargepoint_driver.errors import (
    ConfigurationError,
    InvalidValueError,
    NotFoundError,
    TransientError,
)
from chargepoint_driver.records import EnergyReading, Event, SessionQuery, SessionRecord
from chargepoint_driver.service.session_pages import SessionPages

from .conftest import DAY_NIGHT, at, session

ALWAYS = SessionFilter(0.0)


class Account:
    """Sessions of one account, by the pages of a listing."""

    def __init__(self, *sessions: SessionRecord, values: Any = None) -> None:
        self.sessions = list(sessions)
        self.values: dict[str, Any] = values or {}
        self.readings: dict[str, list[EnergyReading]] = {}
        self.asked: list[list[str]] = []
        self.lists = 0
        self.error: Exception | None = None
        self.pages = SessionPages(cast("Backend", object()), lambda *_: [])
        self.pages._listing = lambda _: sorted(  # type: ignore[method-assign]
            self.sessions, key=lambda each: (-each.place_s, -int(each.session_id))
        )

    def page(self, query: SessionQuery) -> list[SessionRecord]:
        if self.error is not None:
            raise self.error
        return self.pages.page(query)

    def energy(self, ids: Sequence[str]) -> dict[str, list[EnergyReading]]:
        self.asked.append(list(ids))
        return self.readings

    def stations(self) -> dict[str, Any]:
        self.lists += 1
        if self.error is not None:
            raise self.error
        return self.values


def made(accounts: dict[str, Account], clock: Any = lambda: 0.0, **config: Any) -> Bills:
    given_ = {"time_zone": "Europe/Berlin", **config}
    sources = {
        name: SessionSource(each.page, each.energy, each.stations)
        for name, each in accounts.items()
    }
    return Bills(BillingConfig(**given_), lambda: sources, clock)


def number(session_id: int, place: float, lasts: float = 60.0) -> SessionRecord:
    one = session(place, place + lasts)
    return replace(one, session_id=str(session_id))


@given(
    places=st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 5)), max_size=20),
    limit=st.integers(1, 4),
)
def test_pages_over_accounts_have_each_session_once(
    places: list[tuple[str, int]], limit: int
) -> None:
    accounts = {name: Account() for name in "abc"}
    for index, (name, place) in enumerate(places):
        accounts[name].sessions.append(number(index, float(place)))
    found: list[tuple[float, str, int]] = []
    after = None
    for _ in range(len(places) + 2):
        page = made(accounts).page(ALWAYS, limit, after)
        assert len(page.sessions) <= limit
        found += [(-s.place_s, account, -int(s.session_id)) for account, s, _ in page.sessions]
        after = page.after
        if after is None:
            break
    assert found == sorted(
        (-float(place), name, -index) for index, (name, place) in enumerate(places)
    )


def test_an_account_that_cannot_be_asked() -> None:
    accounts = {"a": Account(number(1, 5.0)), "b": Account(number(2, 6.0))}
    accounts["b"].error = TransientError("the service is down")
    page = made(accounts).page(ALWAYS, 10)
    assert [each.account for each in page.sessions] == ["a"]
    assert list(page.errors) == ["b"]
    sums, errors = made(accounts).sums(ALWAYS)
    assert (sums.sessions, list(errors)) == (1, ["b"])
    alone = replace(ALWAYS, account="b")
    for ask in (lambda: made(accounts).page(alone, 1), lambda: made(accounts).sums(alone)):
        with pytest.raises(TransientError, match="down"):
            ask()
    with pytest.raises(NotFoundError, match="there is no 'c'; the accounts are a, b"):
        made(accounts).page(replace(ALWAYS, account="c"), 1)


@pytest.mark.parametrize("after", [(), (1.0,), ("1", "a", "2"), (1.0, "a", 2), (True, "a", "2")])
def test_a_place_that_no_page_gave(after: tuple[Any, ...]) -> None:
    with pytest.raises(InvalidValueError, match="after: is not of this list"):
        made({"a": Account()}).page(ALWAYS, 1, after)


def test_meter_values_are_read_for_those_that_need_them() -> None:
    account = Account(
        replace(session("2026-11-02T06:00", "2026-11-02T10:00"), session_id="1"),
        replace(session("2026-11-02T09:00", "2026-11-02T10:00"), session_id="2"),
        replace(session("2026-11-03T06:00", "2026-11-03T10:00"), session_id="3"),
        replace(session("2026-11-04T06:00", None), session_id="4"),
    )
    account.readings = {"1": [EnergyReading(at("2026-11-02T08:00"), 4_000.0)]}
    mine = made({"a": account}, tariffs=[{"name": "T", "currency": "EUR", **DAY_NIGHT}])
    page = mine.page(ALWAYS, 10)
    assert account.asked == [["3", "1"]]
    costs = {each.session.session_id: each.cost for each in page.sessions}
    assert {name: (cost.amount, cost.reason) for name, cost in costs.items()} == {
        "1": (Decimal("3.80"), None),
        "2": (Decimal("5.00"), None),
        "3": (None, "cannot_split"),
        "4": (None, "running"),
    }


def test_the_list_of_stations_is_asked_seldom() -> None:
    now = [0.0]
    own = {"CP1": {"unitPricePerSession": 2.0, "currencyCode": "USD"}}
    account = Account(session("2026-11-02T06:00", "2026-11-02T10:00"), values=own)
    mine = made({"a": account}, lambda: now[0])

    def amount() -> Any:
        (one,) = mine.page(ALWAYS, 10).sessions
        return one.cost.amount or one.cost.reason

    assert (amount(), amount(), account.lists) == (2, 2, 1)
    now[0] = 601.0
    account.values = {"CP1": {}}
    assert (amount(), account.lists) == ("no_tariff", 2)


def test_a_list_of_stations_that_fails_is_asked_again_soon() -> None:
    now = [0.0]
    account = Account(session("2026-11-02T06:00", "2026-11-02T10:00"))
    failing = [TransientError("down")]

    def stations() -> dict[str, Any]:
        if failing:
            raise failing[0]
        return {"CP1": {"unitPricePerSession": 2.0, "currencyCode": "USD"}}

    source = SessionSource(account.page, account.energy, stations)
    mine = Bills(BillingConfig(), lambda: {"a": source}, lambda: now[0])
    ask = lambda: mine.page(ALWAYS, 1).sessions[0].cost  # noqa: E731
    assert ask().reason == "stations_unknown"
    failing.clear()
    assert ask().reason == "stations_unknown"
    now[0] = 31.0
    assert ask().amount == 2


def test_the_report_of_a_month_of_the_site(tmp_path: Path) -> None:
    centres = tmp_path / "centres.csv"
    centres.write_text("id_tag,cost_centre\nANNA,Sales\nbob,IT\nanna2,Sales\n")
    ends = {
        "1": ("2026-10-31T23:30", "2026-11-01T00:00", "anna", 1_000.0),
        "2": ("2026-11-03T10:00", "2026-11-03T11:00", "Anna2", 2_000.0),
        "3": ("2026-11-30T23:00", "2026-11-30T23:59", "nobody", None),
        "4": ("2026-11-03T10:00", "2026-11-03T11:00", None, 3_000.0),
        # Not of November, in Berlin.
        "5": ("2026-10-31T23:00", "2026-10-31T23:59", "anna", 1.0),
        "6": ("2026-11-30T23:00", "2026-12-01T00:00", "anna", 1.0),
        "7": ("2026-11-30T23:00", None, "anna", 1.0),
    }
    account = Account(
        *(
            replace(session(begin, end, wh), session_id=name, id_tag=tag)
            for name, (begin, end, tag, wh) in ends.items()
        )
    )
    tariffs = [{"name": "T", "currency": "EUR", "per_kwh": "0.30"}]
    mine = made({"a": account}, cost_centres=centres, tariffs=tariffs)
    report = mine.report("2026-11")
    assert (report.month, report.time_zone) == ("2026-11", "Europe/Berlin")
    assert list(report.centres) == ["Sales", None]
    sales, nobody = report.centres.values()
    assert (sales.sessions, sales.energy_wh, sales.costs) == (2, 3_000, {"EUR": Decimal("0.90")})
    assert (nobody.sessions, nobody.energy_wh, nobody.energy_unknown) == (2, 3_000, 1)
    assert (nobody.costs, nobody.cost_unknown) == ({"EUR": Decimal("0.90")}, 1)
    assert list(report.tags) == [
        ("Sales", "anna"),
        ("Sales", "Anna2"),
        (None, "nobody"),
        (None, None),
    ]
    assert report.total.sessions == 4
    for parts in (report.centres, report.tags):
        assert sum(part.energy_wh for part in parts.values()) == report.total.energy_wh
        assert sum(part.costs.get("EUR", 0) for part in parts.values()) == report.total.costs["EUR"]
    centres.write_text("id_tag,cost_centre\nANNA,\n")
    with pytest.raises(ConfigurationError, match="line 2"):
        mine.report("2026-11")
    for month, words in (("2026-13", "YYYY-MM"), ("0001-01", "1970"), ("1969-12", "1970")):
        with pytest.raises(InvalidValueError, match=words):
            mine.report(month)


def test_a_time_with_too_many_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bills, "MAX_SESSIONS", 5)
    monkeypatch.setattr(bills, "_CHUNK", 2)
    account = Account(*(number(n, float(n)) for n in range(1, 6)))
    assert made({"a": account}).sums(ALWAYS)[0].sessions == 5
    account.sessions.append(number(9, 9.0))
    with pytest.raises(InvalidValueError, match="more than 5 sessions; choose a shorter time"):
        made({"a": account}).sums(ALWAYS)


def test_sessions_of_a_web_service() -> None:
    """From the listing of a service to its sum."""
    event = Event(
        "CP1",
        1,
        "2026-11-02T10:00:00+00:00",
        {
            "sessionID": "77",
            "startTime": "2026-11-02T10:00:00+00:00",
            "endTime": "2026-11-02T11:00:00+00:00",
            "Energy": 1.5,
        },
    )
    pages = SessionPages(cast("Backend", object()), lambda *_: [event])
    source = SessionSource(
        pages.page,
        pages.energy_readings,
        lambda: {"CP1": {"unitPricePerKWh": 0.1, "currencyCode": "USD"}},
    )
    sums, _ = Bills(BillingConfig(), lambda: {"a": source}).sums(ALWAYS)
    assert (sums.energy_wh, sums.costs) == (1_500, {"USD": Decimal("0.15")})
