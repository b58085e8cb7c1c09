"""The caching agent: one set of web service calls for every driver and agent of a platform.

An ordinary VOLTTRON agent, `python -m chargepoint_driver.adapters.agent`, configured by the
entry `config` of its config store. It holds the accounts and their credentials; its
callers need none.
"""

from __future__ import annotations

# First of all: threads, locks and sockets must be of one kind. The host patches sockets only,
# and a pooled socket of gevent's cannot be used by a thread other than the one that made it.
from gevent import monkey

monkey.patch_all()

import logging
import os
from pathlib import Path
from typing import Any

import gevent
from volttron.client.logs import setup_logging
from volttron.client.messaging.health import STATUS_BAD, STATUS_GOOD
from volttron.client.vip.agent import RPC, Agent, Core
from volttron.utils import ClientContext, load_config

from chargepoint_driver import __version__
from chargepoint_driver.adapters.agent_process import run_agent
from chargepoint_driver.adapters.authorization import AGENT as IDENTITY
from chargepoint_driver.adapters.authorization import AGENT_WRITES
from chargepoint_driver.adapters.host import platform
from chargepoint_driver.adapters.host.bus_events import Announcer
from chargepoint_driver.adapters.host.caller import caller_of
from chargepoint_driver.adapters.host.host_errors import answered as _answered
from chargepoint_driver.adapters.host.metrics_listener import MetricsListener
from chargepoint_driver.adapters.host.refusals import (
    explain_refusals,
    warning_of,
    writing_open_to_all,
)
from chargepoint_driver.adapters.host.standby import stand_by
from chargepoint_driver.adapters.ocpp.ocpp_requests import OcppRequests
from chargepoint_driver.adapters.ocpp.ocpp_rpc import OcppRpc
from chargepoint_driver.config import Account, AgentConfig
from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.fleet_client import ForwardingAccounts
from chargepoint_driver.service import Service
from chargepoint_driver.text import get_logger

__all__ = ["IDENTITY", "ChargePointAgent"]

_log = get_logger(__name__)

_CONNECT_LIMIT_S = 30.0
_NOT_CONNECTED = 1
_TAKE_OVER_S = 5.0


class ChargePointAgent(OcppRpc, OcppRequests, Agent):  # type: ignore[misc]  # the host has no types
    """RPC over `Accounts`; see there for shapes. Errors are raised as the project's own: their
    arguments, which cross RPC, are message, code and the service's code."""

    def __init__(self, config_path: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        explain_refusals(self.vip, self.core.identity)
        self._accounts = ForwardingAccounts(self._serve)
        self._metrics = MetricsListener(self._accounts.services)
        self._announcer: Announcer | None = None
        self._connecting = gevent.spawn_later(_CONNECT_LIMIT_S, self._give_up)
        default = load_config(config_path) if config_path else {}
        self.vip.config.set_default("config", default)
        self.vip.config.subscribe(
            self._configure, actions=["NEW", "UPDATE", "DELETE"], pattern="config"
        )

    def _serve(self, account: Account) -> Service:
        """Return the service of an account, its sheds looked after while the agent runs."""
        service = Service.of_account(account, platform.command_file(self))
        service.keep(platform.alert_of(self), platform.station_alert_of(self))
        return service

    def _configure(self, name: str, action: str, contents: Any) -> None:
        del name
        given = contents if isinstance(contents, dict) and action != "DELETE" else {}
        faults = self._accounts.configure(given)
        self._metrics.configure(AgentConfig.from_dict(given)[0].metrics_port)
        for fault in faults:
            _log.error("%s", fault)
        if faults:
            self.vip.health.set_status(STATUS_BAD, "\n".join(faults))
        else:
            self.vip.health.set_status(STATUS_GOOD, f"{len(given['accounts'])} accounts")

    @Core.receiver("onstart")  # type: ignore[untyped-decorator]
    def _on_start(self, *_: Any, **__: Any) -> None:
        self._connecting.kill(block=False)
        self._announcer = Announcer(self.vip, self.core.identity, self._accounts)
        self._taking_over = gevent.spawn(self._take_over)
        if doors := self._open_doors():
            _log.warning("%s", warning_of(doors))

    def _take_over(self) -> None:
        """Keep up what a driver commanded whose devices go through this agent now."""
        while True:
            gevent.sleep(_TAKE_OVER_S)
            try:
                self._accounts.take_over(platform.file_of)
            except Exception:  # noqa: BLE001 - logged
                _log.exception("limits of other processes cannot be looked for; tried again")

    def _give_up(self) -> None:
        """End the process: the bus does not say why it lets an agent wait for good."""
        _log.error(
            "the message bus did not accept %s within %g s: the platform does not run, does not "
            "know its credentials, or has another agent of this identity. This process ends; start "
            "it again when that is corrected",
            self.core.identity,
            _CONNECT_LIMIT_S,
        )
        logging.shutdown()
        os._exit(_NOT_CONNECTED)

    def _open_doors(self) -> list[str] | None:
        """Return what every agent of the platform may do; None when it cannot be known."""
        return writing_open_to_all(self.vip, self.core.identity, AGENT_WRITES)

    @Core.receiver("onstop")  # type: ignore[untyped-decorator]
    def _on_stop(self, *_: Any, **__: Any) -> None:
        if self._announcer is not None:
            self._announcer.stop()
            self._taking_over.kill(block=False)
        self._metrics.stop()
        self._accounts.close()

    @RPC.export  # type: ignore[untyped-decorator]
    def read(self, points: dict[str, dict[str, Any]], account: str | None = None) -> dict[str, Any]:
        """{"values", "errors", "ages_s"} by the names of `points`; see `service.accounts`. Where
        there is no such account, as before the configuration has come, that is each one's
        error."""
        try:
            return dict(
                _answered(lambda: self._accounts.read(points, account, reader=caller_of(self)))
            )
        except ConfigurationError as error:
            if not isinstance(points, dict):
                raise
            return {"values": {}, "errors": dict.fromkeys(points, error.to_dict()), "ages_s": {}}

    @RPC.export  # type: ignore[untyped-decorator]
    def write(
        self,
        point: dict[str, Any],
        value: Any,
        account: str | None = None,
        minutes: float | None = None,
        writer: str = "",
        **shed: Any,
    ) -> Any:
        """Write one point; what the service reports then, None when it cannot be read back.

        `minutes`: the limit is cleared after so long, whatever renews it; None or 0: no deadline.
        `writer`: who writes under a lease, by default the caller. `shed`: how, as options
        of a driver config: shed_duration, shed_on_write, shed_confirm_timeout, floor_kw,
        division, shed_tolerance_kw, shed_tolerance_percent, command_lease, zero_limit,
        staged_alert_minutes."""
        writer = writer or caller_of(self)
        return _answered(
            lambda: self._accounts.write(
                point, value, account, minutes=minutes, writer=writer, **shed
            )
        )

    @RPC.export  # type: ignore[untyped-decorator]
    def release(
        self, point: dict[str, Any], account: str | None = None, on_delete: str = "clear"
    ) -> bool:
        """The device of the point's target was deleted: its limit is cleared, or not renewed any
        more (`lapse`), with an alert; True when there was one."""
        return bool(_answered(lambda: self._accounts.release(point, account, on_delete)))

    @RPC.export  # type: ignore[untyped-decorator]
    def revert(self, point: dict[str, Any], account: str | None = None, writer: str = "") -> bool:
        """Put back what was in force at the point's target before the first write through this
        agent, or clear; True when a command was sent. `writer`: who reverts, by default the
        caller."""
        writer = writer or caller_of(self)
        return bool(_answered(lambda: self._accounts.revert(point, account, writer=writer)))

    @RPC.export  # type: ignore[untyped-decorator]
    def create_load_shed_event(
        self,
        start: str,
        duration: int,
        station: str | None = None,
        group: str | None = None,
        allowed_load_per_port: float | None = None,
        percent_shed_per_station: float | None = None,
        allow_opt_out: bool | None = None,
        account: str | None = None,
    ) -> int:
        """createLoadShedEvent: have the service shed a station or group from `start` (ISO 8601)
        for `duration` minutes; the id of the event."""
        return int(
            _answered(
                lambda: self._accounts.create_load_shed_event(
                    start,
                    duration,
                    station,
                    group,
                    allowed_load_per_port,
                    percent_shed_per_station,
                    allow_opt_out,
                    account,
                )
            )
        )

    @RPC.export  # type: ignore[untyped-decorator]
    def remove_load_shed_event(self, event_id: int, account: str | None = None) -> None:
        """removeLoadShedEvent: end or forget an event."""
        _answered(lambda: self._accounts.remove_load_shed_event(event_id, account))

    @RPC.export  # type: ignore[untyped-decorator]
    def stations(self, account: str | None = None) -> list[dict[str, Any]]:
        """Every station of the account, as the service describes it."""
        return list(_answered(lambda: self._accounts.stations(account)))

    @RPC.export  # type: ignore[untyped-decorator]
    def sessions(
        self, station: str | None, start: str, end: str | None = None, account: str | None = None
    ) -> list[dict[str, Any]]:
        """The charging sessions that touch a time (ISO 8601), oldest first."""
        return list(_answered(lambda: self._accounts.sessions(station, start, end, account)))

    @RPC.export  # type: ignore[untyped-decorator]
    def writes(self, account: str | None = None, most: int = 100) -> list[dict[str, Any]]:
        """The newest writes, newest first: {time, station, port, group, point, value, writer,
        outcome}."""
        return list(_answered(lambda: self._accounts.writes(account, most)))

    @RPC.export  # type: ignore[untyped-decorator]
    def stats(self) -> dict[str, Any]:
        """Account name to the calls sent and the records kept."""
        return self._accounts.stats()

    @RPC.export  # type: ignore[untyped-decorator]
    def health(self) -> dict[str, Any]:
        """Return what does not work at present; `good` sums it up.

        `writing`: who may write over the bus: "open" (every agent), "protected", or None if the
        platform does not report it. `open` lists what every agent may do, `warnings` repeats it."""
        doors = self._open_doors()
        writing = None if doors is None else "open" if doors else "protected"
        warnings = [warning_of(doors)] if doors else []
        return {
            **self._accounts.health(),
            "writing": writing,
            "open": doors or [],
            "warnings": warnings,
        }


def main() -> None:
    """Run the agent as the platform starts agents; stand by while another process does."""
    setup_logging()
    try:
        lock = stand_by(
            Path(ClientContext.get_volttron_home()), os.environ.get("AGENT_VIP_IDENTITY", IDENTITY)
        )
    except KeyboardInterrupt:
        return
    try:
        run_agent(ChargePointAgent, version=__version__)
    finally:
        if lock is not None:
            lock.release()


if __name__ == "__main__":
    main()
