"""The driver interface of modular VOLTTRON: thin, everything it knows is the host's ways.

All devices of an account share one instance, so that one poll of a hundred stations is a
handful of calls. Of chargers that connect directly the account is the central system.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import gevent
from volttron.driver.base.config import PointConfig, RemoteConfig
from volttron.driver.base.interfaces import BaseInterface, DriverInterfaceError

from chargepoint_driver.adapters.driver.driver_commands import CALLS
from chargepoint_driver.adapters.driver.driver_requests import REQUESTS
from chargepoint_driver.adapters.driver.heart_beats import HeartBeats
from chargepoint_driver.adapters.driver.ownership import Ownership
from chargepoint_driver.adapters.driver.poll_scheduler import (
    GROUP,
    claim,
    limit_staleness,
    mend_interval,
)
from chargepoint_driver.adapters.driver.push_publisher import Push
from chargepoint_driver.adapters.driver.register import ChargePointPointConfig, ChargePointRegister
from chargepoint_driver.adapters.driver.remote_config import (
    ChargePointRemoteConfig,
    device_of,
    interval_of,
)
from chargepoint_driver.adapters.driver.restart_notes import RestartNotes
from chargepoint_driver.adapters.driver.shared_account import SharedAccount
from chargepoint_driver.adapters.host import platform
from chargepoint_driver.adapters.host.caller import caller_of
from chargepoint_driver.adapters.host.host_errors import for_host, message_of, raising_for_host
from chargepoint_driver.backend import Target
from chargepoint_driver.catalogue import TABLES, Data
from chargepoint_driver.config import Device, FleetDevice, OcppDevice
from chargepoint_driver.errors import ChargePointError, ConfigurationError, InvalidValueError
from chargepoint_driver.registry import Point, Selection, build
from chargepoint_driver.registry import columns as col
from chargepoint_driver.service import (
    Service,
    ShedOptions,
    Stations,
    check_minutes,
)
from chargepoint_driver.text import get_logger

__all__ = ["ChargePointInterface"]

_log = get_logger(__name__)


class ChargePointInterface(BaseInterface):  # type: ignore[misc]
    """ChargePoint stations as register-based devices."""

    REGISTER_CONFIG_CLASS = ChargePointPointConfig
    INTERFACE_CONFIG_CLASS = ChargePointRemoteConfig
    default_config: dict[str, Any] = {}  # noqa: RUF012  # the host assigns to it
    interface_callable_methods = {*CALLS, *REQUESTS}  # noqa: RUF012  # the host's, for its `call`

    remoteStart = staticmethod(CALLS["remoteStart"])  # noqa: N815  # as the attributes are named
    remoteStop = staticmethod(CALLS["remoteStop"])  # noqa: N815
    availability = staticmethod(CALLS["availability"])
    reset = staticmethod(CALLS["reset"])
    unlock = staticmethod(CALLS["unlock"])
    call = staticmethod(REQUESTS["call"])
    getSettings = staticmethod(REQUESTS["getSettings"])  # noqa: N815
    setSetting = staticmethod(REQUESTS["setSetting"])  # noqa: N815
    trigger = staticmethod(REQUESTS["trigger"])
    getDiagnostics = staticmethod(REQUESTS["getDiagnostics"])  # noqa: N815
    getLog = staticmethod(REQUESTS["getLog"])  # noqa: N815
    updateFirmware = staticmethod(REQUESTS["updateFirmware"])  # noqa: N815
    reserve = staticmethod(REQUESTS["reserve"])
    cancelReservation = staticmethod(REQUESTS["cancelReservation"])  # noqa: N815
    listReservations = staticmethod(REQUESTS["listReservations"])  # noqa: N815
    localListVersion = staticmethod(REQUESTS["localListVersion"])  # noqa: N815
    sendLocalList = staticmethod(REQUESTS["sendLocalList"])  # noqa: N815

    def __init__(self, config: RemoteConfig, driver_agent: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(config, driver_agent, *args, **kwargs)
        device = device_of(self.config)
        self._account = SharedAccount(driver_agent, device)
        self._last: tuple[list[str], Selection] = ([], Selection())
        self._new: list[str] = []
        self._heart_beats = HeartBeats()
        if self.config.heart_beat_point:
            self.config.heart_beat_point = HeartBeats.POINT
        self._push = self._pushing(device)
        self._ownership = Ownership(
            driver_agent.equipment_model,
            self.point_map,
            self._account.release,
            self._account.embedded,
            platform.command_file(driver_agent).parent,
        )
        self._restart_notes = RestartNotes(self, driver_agent.equipment_model)
        driver_agent.core.onstop.connect(self._on_stop, self)

    @classmethod
    def unique_remote_id(cls, config_name: str, config: RemoteConfig) -> tuple[str, ...]:
        """Return the account and its endpoint: devices of the same one share an instance."""
        del config_name
        return ("chargepoint", *device_of(config).key)

    @property
    def _stations(self) -> Stations:
        """The account's stations; others after a change of where they are."""
        return self._account.stations

    # ---- set-up ----------------------------------------------------------------------------

    def prepare_registry_config(
        self, registry_config: list[dict[str, Any]], remote_config: RemoteConfig | None = None
    ) -> list[dict[str, Any]]:
        """Return the rows of one device, checked and completed. Raises ConfigurationError (a
        ValueError: the host skips this device alone) naming every fault at once."""
        config = remote_config if remote_config is not None else self.config
        device = device_of(config)
        source = f"registry of {device.name}"
        # The first data row of a CSV file is its row 2.
        registry = build(
            enumerate(registry_config, start=2),
            source,
            device.stationID,
            device.portNumber,
            device.cacheExpiration,
            TABLES[device.catalogue_name],
            group=device.stationGroup,
        )
        registry.raise_faults()
        for warning in registry.warnings:
            _log.warning("%s", warning)
        self._heart_beats.add(getattr(config, "heart_beat_point", None), source, registry.points)
        self._account.take_over(device)
        # What the rows of a device share is made once: there are thousands of rows.
        options, target = ShedOptions.of(device), Target(device.stationID, device.portNumber)
        return [
            {
                # To assign it later costs ten times as much.
                "group": GROUP,
                # The host stores None for columns whose model takes none.
                **{column: value for column, value in row.items() if value is not None},
                col.POINT_NAME: name,
                col.WRITABLE: registry.points[name].writable,
                col.UNITS: registry.points[name].unit,
                **interval_of(row, registry.points[name]),
                "prepared": ChargePointRegister(
                    registry.points[name], row, options, target, device.on_delete
                ),
            }
            for name, row in registry.rows.items()
        ]

    def _pushing(self, device: Device) -> Push | None:
        """Return what publishes changes at once; None where the service does not report them."""
        is_fleet = isinstance(device, FleetDevice)
        if not isinstance(device, OcppDevice) and not (
            is_fleet and device.catalogue_name == "ocpp"
        ):
            return None
        push = Push(self.driver_agent, self.point_map, lambda points: self._read(points)[0])
        fleet = self._account.fleet_account
        if fleet is not None:
            push.follow_fleet(fleet)
        elif isinstance(self._stations, Service) and isinstance(device, OcppDevice):
            push.follow(self._stations, bus_events=device.account.bus_events)
        else:
            assert device.cache_agent is not None
            push.follow_agent(device.cache_agent)
        return push

    def _on_stop(self, *_: Any, **__: Any) -> None:
        """Stop with the driver: charge points see a closed socket."""
        self._ownership.stop()
        self._restart_notes.stop()
        if self._push is not None:
            self._push.stop()
        self._account.stop()

    def create_register(self, register_definition: PointConfig) -> ChargePointRegister:
        """Return the register of a row that `prepare_registry_config` has completed."""
        register = getattr(register_definition, "prepared", None)
        if not isinstance(register, ChargePointRegister):
            raise ConfigurationError(
                f"{register_definition.volttron_point_name}: the row did not pass "
                "prepare_registry_config; volttron-lib-base-driver 2.0.0rc7 or newer is needed"
            )
        return register

    def insert_register(self, register: ChargePointRegister, base_topic: str) -> None:
        """Take a register in, and its point into this driver's polling."""
        super().insert_register(register, base_topic)
        self._last = [], Selection()
        topic = f"{base_topic}/{register.point_name}"
        self._new.append(topic)
        if self._push is not None:
            self._push.forget()
        tree = self.driver_agent.equipment_model
        node = tree.get_node(topic)
        claim(node, tree.agent.config)
        self._ownership.add(topic, register)
        self._restart_notes.stored(base_topic)
        wrong = mend_interval(node, tree)
        limit_staleness(node, tree)
        node.config.share()
        if wrong is not None:
            _log.warning(
                "%s/%s: an interval of %g s cannot be scheduled; it is polled every %g s. Write "
                "whole seconds, 1 or more, as Scrape Interval of the row or interval of the device",
                base_topic,
                register.point_name,
                wrong,
                node.config.polling_interval,
            )

    def get_register_names(self) -> list[str]:
        """Return the topics of the registers that were inserted since the last call.

        The host asks after each device and describes each name that it gets. One interface serves
        a whole account: with all names the start would take a time that grows with the square of
        the number of stations."""
        names, self._new = self._new, []
        return names

    # ---- reading -----------------------------------------------------------------------------

    def get_point(self, topic: str, **kwargs: Any) -> Any:
        """One value. Raises DriverInterfaceError when it cannot be had."""
        del kwargs
        if (beat := self._heart_beats.name_of(topic, self.point_map)) is not None:
            return self._heart_beats[beat]
        values, errors = self._read({topic: self.get_register_by_name(topic).point})
        if topic in errors:
            raise for_host(errors[topic], DriverInterfaceError)
        return values[topic]

    def get_multiple_points(
        self, topics: Iterable[str], **kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, str]]:
        """Return (values, errors) by topic: each topic asked for is in one of the two."""
        del kwargs
        wanted = list(topics)
        points = self._selection(wanted)
        values: dict[str, Any] = {}
        errors: dict[str, str] = {}
        if len(points) < len(wanted):
            for topic in wanted:
                if topic in points:
                    continue
                if (beat := self._heart_beats.name_of(topic, self.point_map)) is not None:
                    values[topic] = self._heart_beats[beat]
                else:
                    errors[topic] = f"{topic}: no such point is configured; check the topic"
        read, failed = self._read(points)
        read.update(values)
        errors.update({topic: message_of(error) for topic, error in failed.items()})
        return read, errors

    def _selection(self, wanted: list[str]) -> Selection:
        """Return the points of the topics that have one; that of the last poll where it was the
        same."""
        last_wanted, selection = self._last
        if wanted != last_wanted:
            registers = self.point_map
            selection = Selection(
                {topic: registers[topic].point for topic in wanted if topic in registers}
            )
            self._last = wanted, selection
        return selection

    def _read(self, points: Mapping[str, Point]) -> tuple[dict[str, Any], Mapping[str, Exception]]:
        try:
            reading = self._stations.read(points)
        except gevent.Timeout as error:
            # Timeout does not derive from Exception: the RPC caller would get no answer.
            late = TimeoutError(f"the reading was broken off: {error}")
            return {}, dict.fromkeys(points, late)
        except ChargePointError as error:
            return {}, dict.fromkeys(points, error)
        return reading.values, reading.errors

    # ---- writing -----------------------------------------------------------------------------

    def set_point(self, topic: str, value: Any, **kwargs: Any) -> Any:
        """Write one point; the value read back. `minutes` (optional): a limit is cleared after so
        long, whatever renews it. Raises ValueError for an invalid value and DriverInterfaceError
        for a write that failed."""
        if topic == HeartBeats.POINT:
            self._heart_beats.write_all(value)
            return value
        if (beat := self._heart_beats.name_of(topic, self.point_map)) is not None:
            self._heart_beats.write(beat, value)
            return value
        register = self.get_register_by_name(topic)
        with raising_for_host(DriverInterfaceError, "the write was broken off and may be in force"):
            options = replace(register.options, writer=caller_of(self.driver_agent))
            if kwargs.get("minutes") is not None:
                options = replace(options, wanted_minutes=check_minutes(kwargs["minutes"]))
            written = self._stations.write(register.point, value, options)
            self._publish_changes(register.point.station_id)
            return written

    def command(self, target: Target, name: str, value: Any) -> str:
        """A command to a charger that connects directly; its answer. For `calls`."""
        try:
            return self._stations.command(target, name, value)
        finally:
            self._publish_changes(target.station_id)

    def request(
        self, target: Target, action: str, payload: dict[str, Any], timeout_s: float
    ) -> dict[str, Any]:
        """Send any request of OCPP to the target's charger; its answer. For `call`."""
        if isinstance(timeout_s, bool) or not isinstance(timeout_s, (int, float)):
            raise InvalidValueError(f"timeout: expected seconds, got {timeout_s!r}")
        try:
            return self._stations.call(target.station_id, action, payload, timeout_s)
        finally:
            self._publish_changes(target.station_id)

    def operate(self, target: Target, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Carry out an operation of the target's charger; its answer. For `call`."""
        try:
            return self._stations.operate(target.station_id, name, arguments)
        finally:
            self._publish_changes(target.station_id)

    def _publish_changes(self, station_id: str) -> None:
        """Publish at once what a write changed, where changes are published."""
        if self._push is not None:
            self._push.check(station_id)

    def revert_point(self, topic: str, **kwargs: Any) -> None:
        """Clear a shed that this driver made with the point's target; sends nothing else."""
        del kwargs
        if self._heart_beats.name_of(topic, self.point_map) is not None:
            return
        register = self.get_register_by_name(topic)
        with raising_for_host(DriverInterfaceError, "the revert was broken off"):
            self._stations.revert(register.point, caller_of(self.driver_agent))

    def revert_all(self, **kwargs: Any) -> None:
        """Clear every shed that this driver made. Every target is tried; the first failure is
        raised at the end."""
        del kwargs
        failed: list[Exception] = []
        # One point of each target is enough; behind the caching agent each costs a call.
        by_target = {
            register.point.target: topic
            for topic, register in self.point_map.items()
            if register.point.attribute.data is Data.LOAD
        }
        for topic in by_target.values():
            try:
                self.revert_point(topic)
            except (DriverInterfaceError, TimeoutError) as error:
                failed.append(error)
        if failed:
            raise failed[0]
