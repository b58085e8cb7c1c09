"""Operations on a charger by name, with arguments as JSON carries them.

One table for every way in: the control API, `CentralSystem`, RPC and the command line. The
arguments are checked before anything is sent; the request is checked against its schema.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from chargepoint_driver.backend import Limit
from chargepoint_driver.backends.ocpp.csms.csms import Csms
from chargepoint_driver.backends.ocpp.model.authorization import tag_of
from chargepoint_driver.backends.ocpp.model.charger import Charger
from chargepoint_driver.backends.ocpp.model.timestamps import iso, parse
from chargepoint_driver.backends.ocpp.operations import arguments as args
from chargepoint_driver.backends.ocpp.operations import commands
from chargepoint_driver.backends.ocpp.operations.commands import accepted
from chargepoint_driver.backends.ocpp.protocol.provisioning import without_secrets
from chargepoint_driver.backends.ocpp.protocol.requests import Firmware, ListedTag, Log
from chargepoint_driver.errors import (
    InvalidValueError,
    NotFoundError,
    OutcomeUnknownError,
    WriteRejectedError,
)

__all__ = ["OPERATIONS", "Operation", "operate"]

_MAX_KEYS = 200
_TAKEN = {"Accepted", "RebootRequired"}


@dataclass(frozen=True)
class Operation:
    """One operation. `run` gets the arguments as the type `arguments`."""

    summary: str
    arguments: type[msgspec.Struct]
    run: Callable[[Csms, Charger, Any], Awaitable[dict[str, Any]]]


async def operate(
    csms: Csms, point: Charger, name: str, fields: Mapping[str, Any]
) -> dict[str, Any]:
    """Carry out one of `OPERATIONS`. Raises InvalidValueError before anything is sent, and the
    errors of the request."""
    operation = OPERATIONS.get(name)
    if operation is None:
        raise InvalidValueError(
            f"no operation {name[:64]!r}; expected one of {', '.join(OPERATIONS)}"
        )
    given = {key: value for key, value in dict(fields).items() if value is not None}
    try:
        arguments = msgspec.convert(given, operation.arguments)
    except (msgspec.ValidationError, TypeError) as error:
        wanted = ", ".join(operation.arguments.__struct_fields__) or "nothing"
        raise InvalidValueError(f"{name}: {error}; it takes {wanted}") from None
    return await operation.run(csms, point, arguments)


# ---- limits ----------------------------------------------------------------------------------


async def _limit(csms: Csms, point: Charger, asked: args.LimitArguments) -> dict[str, Any]:
    if (asked.allowed_load_kw is None) == (asked.percent_shed is None):
        raise InvalidValueError("limit: give exactly one of allowed_load_kw and percent_shed")
    limit = Limit(asked.allowed_load_kw, asked.percent_shed)
    await csms.limiter.shed(point, asked.connector, limit, asked.minutes)
    return _limits(csms, point, asked.connector)


async def _clear(csms: Csms, point: Charger, asked: args.ConnectorArguments) -> dict[str, Any]:
    await csms.limiter.clear(point, asked.connector)
    return _limits(csms, point, asked.connector)


def _limits(csms: Csms, point: Charger, connector: int) -> dict[str, Any]:
    """The limit there, as the charger's view shows it; null: none of ours."""
    view = csms.view(point)
    limit = view.limit
    if connector:
        found = view.connectors.get(connector)
        limit = None if found is None else found.limit
    return {"charge_point": point.station_id, "connector": connector, "limit": limit}


# ---- transactions ----------------------------------------------------------------------------


async def _start(csms: Csms, point: Charger, asked: args.StartArguments) -> dict[str, Any]:
    start_id = random.SystemRandom().randrange(1, 1 << 31)
    await commands.remote_start(csms, point, asked.connector or None, asked.id_tag, start_id)
    return {"status": "Accepted"}


async def _stop(csms: Csms, point: Charger, asked: args.StopArguments) -> dict[str, Any]:
    connector = asked.connector or None
    if asked.transaction is not None:
        found = _connector_of(point, asked.transaction)
        if connector not in (None, found):
            raise InvalidValueError(
                f"{point.station_id}: transaction {asked.transaction} runs on connector {found}"
            )
        connector = found
    await commands.remote_stop(csms, point, connector)
    return {"status": "Accepted"}


def _connector_of(point: Charger, transaction: int) -> int:
    for number, each in point.connectors.items():
        if each.transaction is not None and each.transaction.transaction_id == transaction:
            return number
    raise NotFoundError(f"{point.station_id}: transaction {transaction} does not run")


async def _availability(
    csms: Csms, point: Charger, asked: args.AvailabilityArguments
) -> dict[str, Any]:
    return {"status": await commands.availability(csms, point, asked.connector, asked.operative)}


async def _reset(csms: Csms, point: Charger, asked: args.ResetArguments) -> dict[str, Any]:
    await commands.reset(csms, point, asked.hard)
    return {"status": "Accepted"}


async def _unlock(csms: Csms, point: Charger, asked: args.UnlockArguments) -> dict[str, Any]:
    await commands.unlock(csms, point, asked.connector)
    return {"status": "Unlocked"}


# ---- reservations and the local list ---------------------------------------------------------


async def _reserve(csms: Csms, point: Charger, asked: args.ReserveArguments) -> dict[str, Any]:
    if (asked.expires is None) == (asked.minutes is None):
        raise InvalidValueError("give expires, a time like 2026-12-31T00:00:00Z, or minutes")
    expires_s = parse(asked.expires)
    if asked.minutes is not None:
        expires_s = csms.now() + asked.minutes * 60
    if expires_s is None:
        raise InvalidValueError(f"expires: not a time, got {asked.expires!r}; give it in ISO 8601")
    connector = asked.connector or None
    return await commands.reserve(csms, point, connector, asked.id_tag, expires_s)


async def _cancel(csms: Csms, point: Charger, asked: args.CancelArguments) -> dict[str, Any]:
    return await commands.cancel_reservation(csms, point, asked.reservation)


async def _reservations(csms: Csms, point: Charger, asked: args.Nothing) -> dict[str, Any]:
    del asked
    return {"reservations": csms.store.reservations(csms.now(), point.station_id)}


async def _list_version(csms: Csms, point: Charger, asked: args.Nothing) -> dict[str, Any]:
    del asked
    return {"version": await _version_of_list(csms, point)}


async def _version_of_list(csms: Csms, point: Charger) -> int | None:
    """Return the version of the local list; None if the charger reports that it has no list."""
    out = csms.outbound(point)
    version = out.read_list_version(await csms.ask(point, ("GetLocalListVersion", {})))
    if version is None:
        raise OutcomeUnknownError(
            f"{point.station_id}: the answer to GetLocalListVersion has no version"
        )
    return None if version < 0 else version


async def _send_list(csms: Csms, point: Charger, asked: args.LocalListArguments) -> dict[str, Any]:
    out, now_s = csms.outbound(point), csms.now()
    if asked.id_tags is None:
        tags = list(csms.tags.all())
    else:
        tags = [
            tag_of(each.id_tag, {"status": each.status, "expires": each.expires})
            for each in asked.id_tags
        ]
    too_long = [tag.id_tag for tag in tags if len(tag.id_tag) > out.longest_tag]
    if too_long:
        raise InvalidValueError(
            f"{too_long[0]}: an idTag of this charger has at most {out.longest_tag} characters"
        )
    listed = [ListedTag(tag.id_tag, tag.status_at(now_s), iso(tag.expires_s)) for tag in tags]
    version = asked.version
    if version is None:
        known = await _version_of_list(csms, point)
        if known is None:
            raise WriteRejectedError(
                f"{point.station_id}: the charge point has no local list", service_code="-1"
            )
        version = known + 1
    ask = out.send_local_list(version, listed, is_full=asked.full)
    return {"status": await accepted(csms, point, ask), "version": version, "sent": len(listed)}


# ---- settings --------------------------------------------------------------------------------


async def _settings(csms: Csms, point: Charger, asked: args.SettingsArguments) -> dict[str, Any]:
    """Ask for settings: those named, else all (1.6), or those that are known by name (2.x)."""
    out = csms.outbound(point)
    names = asked.keys
    if names is None and not out.asks_all:
        names = list(dict.fromkeys([*out.names, *point.configuration]))[:_MAX_KEYS]
    if names is None:
        answer = await csms.ask(point, out.configuration(None))
        return {"settings": out.read_configuration(answer), "unknown": []}
    found: dict[str, str] = {}
    for first in range(0, len(names), out.most_names):
        part = names[first : first + out.most_names]
        found.update(out.read_configuration(await csms.ask(point, out.configuration(part))))
    return {"settings": found, "unknown": [name for name in names if name not in found]}


async def _set(csms: Csms, point: Charger, asked: args.SettingArguments) -> dict[str, Any]:
    out = csms.outbound(point)
    ask = out.configure(asked.key, asked.value)
    status = out.configured_status(await csms.ask(point, ask))
    if status is None:
        raise OutcomeUnknownError(
            f"{point.station_id}: the answer to {ask[0]} has no status; read {asked.key} before "
            "writing it again"
        )
    if status not in _TAKEN:
        raise WriteRejectedError(
            f"{point.station_id}: the charge point answered {status} to {asked.key}",
            service_code=status,
        )
    if status == "Accepted":
        known = without_secrets({asked.key: asked.value})
        point.configuration = {**point.configuration, **known}
        csms.save_point(point, configuration=point.configuration)
    return {"status": status}


# ---- messages, logs, firmware ----------------------------------------------------------------


async def _trigger(csms: Csms, point: Charger, asked: args.TriggerArguments) -> dict[str, Any]:
    ask = csms.outbound(point).trigger(asked.message, asked.connector or None)
    return {"status": await accepted(csms, point, ask)}


async def _diagnostics(
    csms: Csms, point: Charger, asked: args.DiagnosticsArguments
) -> dict[str, Any]:
    log = _log_of(asked, "DiagnosticsLog")
    ask = csms.outbound(point).diagnostics(log)
    if ask[0] == "GetLog":
        return await _upload(csms, point, log)
    answer = await csms.ask(point, ask)
    # Without a name there is nothing to upload (OCPP 1.6, 5.8).
    name = answer.get("fileName") or None
    return {"status": "Accepted" if name else "NoDiagnostics", "file_name": name}


async def _get_log(csms: Csms, point: Charger, asked: args.LogArguments) -> dict[str, Any]:
    return await _upload(csms, point, _log_of(asked, asked.kind))


async def _upload(csms: Csms, point: Charger, log: Log) -> dict[str, Any]:
    ask = csms.outbound(point).log(log)
    answer = await csms.ask(point, ask)
    status = commands.taken(answer, ask[0], point)
    return {
        "status": status,
        "file_name": answer.get("filename") or None,
        "request_id": log.request_id,
    }


def _log_of(asked: args.DiagnosticsArguments, kind: str) -> Log:
    return Log(
        asked.location,
        kind,
        _request_id(),
        asked.oldest,
        asked.latest,
        asked.retries,
        asked.retry_interval_s,
    )


async def _firmware(csms: Csms, point: Charger, asked: args.FirmwareArguments) -> dict[str, Any]:
    request_id = _request_id()
    firmware = Firmware(
        asked.location,
        request_id,
        asked.retrieve or str(iso(csms.now())),
        asked.install,
        asked.signing_certificate,
        asked.signature,
        asked.retries,
        asked.retry_interval_s,
    )
    ask = csms.outbound(point).update_firmware(firmware)
    answer = await csms.ask(point, ask)
    if "requestId" not in ask[1]:
        # OCPP 1.6, 5.17: the answer has no fields, and a charger cannot refuse.
        return {"status": "Accepted", "request_id": None}
    return {"status": commands.taken(answer, ask[0], point), "request_id": request_id}


def _request_id() -> int:
    return random.SystemRandom().randrange(1, 1 << 31)


OPERATIONS: Mapping[str, Operation] = {
    "limit": Operation(
        "Limit the load; what was requested, accepted, confirmed and is effective",
        args.LimitArguments,
        _limit,
    ),
    "clear": Operation("End our limit", args.ConnectorArguments, _clear),
    "remote_start": Operation("Begin a transaction", args.StartArguments, _start),
    "remote_stop": Operation("End a transaction", args.StopArguments, _stop),
    "availability": Operation(
        "Take a connector in or out of service", args.AvailabilityArguments, _availability
    ),
    "reset": Operation("Restart", args.ResetArguments, _reset),
    "unlock": Operation("Release the plug", args.UnlockArguments, _unlock),
    "reserve": Operation("Reserve a connector", args.ReserveArguments, _reserve),
    "cancel_reservation": Operation("End a reservation", args.CancelArguments, _cancel),
    "list_reservations": Operation("List reservations", args.Nothing, _reservations),
    "get_settings": Operation("Read settings", args.SettingsArguments, _settings),
    "set_setting": Operation("Change a setting", args.SettingArguments, _set),
    "trigger": Operation("Ask for a message", args.TriggerArguments, _trigger),
    "get_diagnostics": Operation(
        "Ask for the upload of diagnostics", args.DiagnosticsArguments, _diagnostics
    ),
    "get_log": Operation("Ask for the upload of a log", args.LogArguments, _get_log),
    "update_firmware": Operation("Install firmware", args.FirmwareArguments, _firmware),
    "local_list_version": Operation("Read the local list's version", args.Nothing, _list_version),
    "send_local_list": Operation("Send the local list", args.LocalListArguments, _send_list),
}
"""Name to operation. The control API has them as `POST /charge-points/<id>/<name>`."""
