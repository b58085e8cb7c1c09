"""Accounts that are wrong, changed, or taken away do not harm the others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.service import Accounts
from chargepoint_driver.simulator import Simulator

from ..conftest import STATION
from .conftest import PASSWORD, account, asked, load


class TestConfiguration:
    def test_every_fault_is_named_and_good_accounts_work(
        self, accounts: Accounts, sim: Simulator
    ) -> None:
        bad = {
            "good": account(sim),
            "number": 5,
            "empty": {},
            "typo": account(sim, timeuot=3),
            "two": account(sim, password_env="X", timeout=-1),
            "currency": account(sim, currencies={"getLoad": -1}),
            "call": account(sim, currencies={"getWeather": 1}),
            "pace": account(sim, calls_per_minute=0),
        }
        faults = accounts.configure({"accounts": bad, "acounts": {}})
        text = "\n".join(faults)
        for words in ("number", "empty", "did you mean 'timeout'", "two: timeout", "getWeather",
                      "currencies", "calls_per_minute", "'acounts'"):  # fmt: skip
            assert words in text
        assert PASSWORD not in text
        assert asked(accounts, {"x": load()}, "good")["values"]
        assert accounts.health()["faults"] == faults
        with pytest.raises(ConfigurationError, match=r"accounts\.typo"):
            accounts.read({"x": load()}, "typo")

    @pytest.mark.parametrize("config", [{}, {"accounts": {}}, {"accounts": []}, {"accounts": "x"}])
    def test_none_at_all(self, accounts: Accounts, config: Any) -> None:
        assert accounts.configure(config)
        assert not accounts.health()["good"]
        with pytest.raises(ConfigurationError, match="holds none"):
            accounts.read({"x": load()})

    def test_an_unset_environment_variable_or_a_missing_file(
        self, accounts: Accounts, sim: Simulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.delenv("CHARGEPOINT_TEST_UNSET", raising=False)
        without = {k: v for k, v in account(sim).items() if k != "password"}
        config = {
            "env": {**without, "username": "a", "password_env": "CHARGEPOINT_TEST_UNSET"},
            "file": {**without, "username": "b", "password_file": str(tmp_path / "none")},
            "good": account(sim),
        }
        faults = accounts.configure({"accounts": config})
        assert [("CHARGEPOINT_TEST_UNSET" in f, "none" in f) for f in faults] == [(True, False), (False, True)]  # fmt: skip # noqa: E501
        for name in ("env", "file"):
            (error,) = asked(accounts, {"x": load()}, name)["errors"].values()
            assert error["code"] == "bad_configuration"
            assert accounts.health()["accounts"][name]["password"]["code"] == "bad_configuration"
        assert not accounts.health()["good"]
        assert asked(accounts, {"x": load()}, "good")["values"]
        # Set later it counts at once.
        (tmp_path / "none").write_text(PASSWORD)
        sim.accounts.add("b", PASSWORD)
        assert asked(accounts, {"x": load()}, "file")["values"]
        assert accounts.health()["accounts"]["file"] == {}

    def test_unchanged_accounts_keep_what_they_know(
        self, accounts: Accounts, make_sim: Callable[..., Simulator]
    ) -> None:
        one, two = make_sim(), make_sim()
        accounts.configure({"accounts": {"one": account(one), "two": account(two)}})
        for name in ("one", "two"):
            asked(accounts, {"x": load()}, name)
        changed = account(two, timeout=11, currencies={"getLoad": 60})
        accounts.configure({"accounts": {"two": changed, "one": account(one)}})
        for name in ("one", "two"):
            assert asked(accounts, {"x": load()}, name)["values"]
        assert (one.calls.total, two.calls.total) == (1, 1)
        accounts.configure({"accounts": {"two": changed}})
        with pytest.raises(ConfigurationError):
            accounts.read({"x": load()}, "one")

    def test_another_service_under_the_same_name_begins_anew(
        self, accounts: Accounts, make_sim: Callable[..., Simulator]
    ) -> None:
        one, two = make_sim(), make_sim()
        for sim in (one, two):
            accounts.configure({"accounts": {"a": account(sim)}})
            assert asked(accounts, {"x": load()})["values"]
        assert (one.calls.total, two.calls.total) == (1, 1)

    def test_a_corrected_password_counts_at_once(self, accounts: Accounts, sim: Simulator) -> None:
        accounts.configure({"accounts": {"a": account(sim, password="wrong")}})
        for _ in range(3):
            (error,) = asked(accounts, {"x": load()})["errors"].values()
            assert error["code"] == "wrong_credentials"
        refused = sim.calls.total
        assert refused <= 1  # a refusal is not repeated
        accounts.configure({"accounts": {"a": account(sim, password="wrong")}})
        asked(accounts, {"x": load()})
        assert sim.calls.total == refused  # nor when nothing was changed
        accounts.configure({"accounts": {"a": account(sim)}})
        assert asked(accounts, {"x": load()})["values"]

    def test_the_same_account_twice_is_a_fault(self, accounts: Accounts, sim: Simulator) -> None:
        """It would cost its calls twice and pass the limit of calls per minute."""
        faults = accounts.configure({"accounts": {"a": account(sim), "b": account(sim)}})
        assert len(faults) == 1
        assert "accounts.b: is the same account as a" in faults[0]
        assert asked(accounts, {"x": load()}, "a")["values"]

    def test_two_accounts_cannot_keep_one_file(
        self, accounts: Accounts, sim: Simulator, tmp_path: Path
    ) -> None:
        file = str(tmp_path / "kept.json")
        config = {n: account(sim, username=n, cache_file=file) for n in ("a", "b")}
        (fault,) = accounts.configure({"accounts": config})
        assert "accounts.b: cache_file" in fault


def test_a_restart_does_not_ask_again_and_keeps_no_password(sim: Simulator, tmp_path: Path) -> None:
    file = tmp_path / "kept.json"
    point = {"attribute": "City", "station": STATION}
    rights = {"attribute": "stationRightsProfile", "station": STATION}
    for _ in range(3):
        accounts = Accounts()
        assert accounts.configure({"accounts": {"a": account(sim, cache_file=str(file))}}) == []
        answer = asked(accounts, {"x": point, "y": rights})
        assert answer["values"]["x"] == "Oakland"
        accounts.close()
    assert sim.calls.counts() == {"getStations": 1, "getStationRights": 1}
    assert PASSWORD not in file.read_text()


def test_closing_twice_does_no_harm(garage: Accounts) -> None:
    garage.close()
    garage.close()


def test_a_password_file_that_is_corrected_after_a_refusal_is_tried_at_once(
    accounts: Accounts, sim: Simulator, tmp_path: Path
) -> None:
    """Of that account alone, with one request for each password."""
    file = tmp_path / "password"
    file.write_text("wrong\n", encoding="utf-8")
    garage = account(sim, password_file=str(file))
    del garage["password"]
    assert accounts.configure({"accounts": {"garage": garage}}) == []
    points = {str(port): load(port=port) for port in (1, 2)}
    for password, sent in (("wrong", 1), ("wrong again", 2), ("wrong again", 2)):
        file.write_text(f"{password}\n", encoding="utf-8")
        errors = asked(accounts, points)["errors"]
        assert {error["code"] for error in errors.values()} == {"wrong_credentials"}
        assert sim.calls.total == sent
    assert not accounts.health()["good"]
    file.write_text(f"{PASSWORD}\n", encoding="utf-8")
    assert accounts.write({**load(), "attribute": "allowedLoad"}, 3.0, shed_on_write=True) == 3.0
    assert asked(accounts, points)["errors"] == {}
    assert accounts.health()["good"]


def test_an_account_of_a_fleet_is_not_left_out_in_silence() -> None:
    fleet = {
        "backend": "fleet",
        "nodes": ["http://127.0.0.1:9100"],
        "token_env": "FLEET_TOKEN",
        "account": "garage",
    }
    accounts = Accounts()
    (fault,) = accounts.configure({"accounts": {"far": fleet}})
    assert "accounts.far: nodes of a fleet hold this account" in fault
    assert accounts.names == ()
