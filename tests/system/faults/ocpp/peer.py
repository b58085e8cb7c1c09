"""A charge point made of real frames on a real socket, whose answer to one action can go wrong.

It shares nothing with the driver but the wire. What it was asked it keeps; what it carries out of
that is the truth that the driver is held against.
"""

from __future__ import annotations

import itertools
import json
import queue
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

LIMIT_S = 60.0
LOAD_W = {1: 3500, 2: 0}
VOLTAGE = 240
_SETTINGS = {
    "ChargingScheduleAllowedChargingRateUnit": "Power",
    "ChargeProfileMaxStackLevel": "5",
    "MeterValueSampleInterval": "60",
}
_VARIABLES = {
    "SmartChargingCtrlr.RateUnit": "W",
    "SmartChargingCtrlr.ProfileStackLevel": "5",
    "SampledDataCtrlr.TxUpdatedInterval": "60",
}

Strike = Callable[["Peer", str, str, Callable[[], dict[str, Any]]], None]
"""Takes the peer, the id and the action of a request, and how to carry it out, which gives the
payload of the answer. It is called in the place of an answer."""


class Peer:
    """One charge point with two connectors; a vehicle charges at the first."""

    def __init__(self, url: str, station_id: str, version: str) -> None:
        self.station_id = station_id
        self._url = f"{url}/{station_id}"
        self.version = version
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.profiles: dict[int, dict[str, Any]] = {}
        self.strike: Strike | None = None
        self.struck = ""
        self.struck_now = threading.Event()
        self.transaction: Any = None
        self._numbers = itertools.count(1)
        self._answers: dict[str, queue.Queue[list[Any]]] = {}
        self._thread: threading.Thread | None = None
        self._open = ExitStack()
        self.ws: ClientConnection | None = None

    # ---- life ----------------------------------------------------------------------------

    def open(self) -> None:
        """Connect; what was open before stays open and is forgotten."""
        opening = connect(
            self._url,
            subprotocols=[f"ocpp{self.version}"],  # type: ignore[list-item]
            compression=None,
            proxy=None,
            ping_interval=None,
            max_size=None,
            close_timeout=1,
        )
        self.ws = self._open.enter_context(opening)
        self._thread = threading.Thread(target=self._serve, args=(self.ws,), daemon=True)
        self._thread.start()

    def introduce(self) -> None:
        """Boot, tell the status of each connector, and what the vehicle draws."""
        if self.version == "1.6":
            self.ask("BootNotification", {"chargePointVendor": "Test", "chargePointModel": "Peer"})
        else:
            station = {"vendorName": "Test", "model": "Peer"}
            self.ask("BootNotification", {"reason": "PowerUp", "chargingStation": station})
        for number, state in ((1, "Charging"), (2, "Available")):
            self._tell_status(number, state)
        if self.version == "1.6":
            self._charge_16()
        else:
            self._charge_201()

    def _tell_status(self, number: int, state: str) -> None:
        if self.version == "1.6":
            payload = {"connectorId": number, "errorCode": "NoError", "status": state}
        else:
            state = "Occupied" if state == "Charging" else state
            payload = {"timestamp": _now(), "connectorStatus": state, "evseId": number}
            payload["connectorId"] = 1
        self.ask("StatusNotification", payload)

    def _charge_16(self) -> None:
        if self.transaction is None:
            begun = {"connectorId": 1, "idTag": "TAG", "timestamp": _now(), "meterStart": 0}
            self.transaction = self.ask("StartTransaction", begun)["transactionId"]
        sample = {"measurand": "Power.Active.Import", "unit": "W", "value": str(LOAD_W[1])}
        values = [{"timestamp": _now(), "sampledValue": [sample]}]
        payload = {"connectorId": 1, "transactionId": self.transaction, "meterValue": values}
        self.ask("MeterValues", payload)

    def _charge_201(self) -> None:
        sample = {"measurand": "Power.Active.Import", "value": LOAD_W[1]}
        kind = "Started" if self.transaction is None else "Updated"
        self.transaction = "tx-1"
        payload = {
            "eventType": kind,
            "timestamp": _now(),
            "triggerReason": "Authorized" if kind == "Started" else "MeterValuePeriodic",
            "seqNo": next(self._numbers),
            "transactionInfo": {"transactionId": "tx-1", "chargingState": "Charging"},
            "evse": {"id": 1, "connectorId": 1},
            "meterValue": [{"timestamp": _now(), "sampledValue": [sample]}],
        }
        self.ask("TransactionEvent", payload)

    def close(self) -> None:
        """Hang up, if that was not done, and wait for the thread."""
        self._open.close()
        if self._thread is not None:
            self._thread.join(LIMIT_S)
            assert not self._thread.is_alive()

    # ---- its messages --------------------------------------------------------------------

    def ask(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """A request of its own; the payload of the answer."""
        message_id = f"own-{next(self._numbers)}"
        answers = self._answers[message_id] = queue.Queue()
        self.say([2, message_id, action, payload])
        try:
            frame = answers.get(timeout=LIMIT_S)
        except queue.Empty:
            raise AssertionError(f"no answer to {action} within {LIMIT_S:g} s") from None
        assert frame[0] == 3, frame
        return dict(frame[2])

    def say(self, frame: Any) -> None:
        self.send(json.dumps(frame))

    def send(self, text: str | bytes) -> None:
        """Anything, as one message."""
        assert self.ws is not None
        self.ws.send(text)

    def reset(self) -> None:
        """The socket is gone without a goodbye: a writer to it gets an error."""
        assert self.ws is not None
        linger = struct.pack("ii", 1, 0)
        self.ws.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.ws.socket.shutdown(socket.SHUT_RD)
        self.ws.socket.close()

    def hang_up(self) -> None:
        """The connection ends without the words that WebSocket has for it."""
        assert self.ws is not None
        self.ws.socket.shutdown(socket.SHUT_RDWR)

    # ---- what it is asked ----------------------------------------------------------------

    def _serve(self, ws: ClientConnection) -> None:
        try:
            while True:
                frame = json.loads(ws.recv())
                if frame[0] != 2:
                    waiting = self._answers.pop(frame[1], None)
                    if waiting is not None:
                        waiting.put(frame)
                    continue
                self._take(frame[1], frame[2], frame[3])
        except (ConnectionClosed, OSError):
            pass

    def _take(self, message_id: str, action: str, payload: dict[str, Any]) -> None:
        self.requests.append((action, payload))

        def carry_out() -> dict[str, Any]:
            return self._carry_out(action, payload)

        if self.strike is not None and action == self.struck:
            self.struck_now.set()
            self.strike(self, message_id, action, carry_out)
        else:
            self.say([3, message_id, carry_out()])

    def sent(self, action: str) -> list[dict[str, Any]]:
        """The payloads of the requests of that name."""
        return [payload for name, payload in list(self.requests) if name == action]

    def _carry_out(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        does = {
            "SetChargingProfile": self._set_profile,
            "ClearChargingProfile": self._clear_profile,
            "GetCompositeSchedule": self._composite,
            "GetConfiguration": _settings,
            "GetVariables": _settings,
            "UnlockConnector": lambda _: {"status": "Unlocked"},
        }.get(action, lambda _: {"status": "Accepted"})
        return does(payload)

    def _set_profile(self, payload: dict[str, Any]) -> dict[str, Any]:
        profile = payload.get("csChargingProfiles") or payload["chargingProfile"]
        number = profile.get("chargingProfileId", profile.get("id"))
        schedule = profile["chargingSchedule"]
        schedule = schedule[0] if isinstance(schedule, list) else schedule
        period = schedule["chargingSchedulePeriod"][0]
        is_power = schedule["chargingRateUnit"] == "W"
        watts = period["limit"] * (1 if is_power else VOLTAGE * period["numberPhases"])
        place = payload.get("connectorId", payload.get("evseId"))
        self.profiles[number] = {"connector": place, "kw": watts / 1000}
        return {"status": "Accepted"}

    def _clear_profile(self, payload: dict[str, Any]) -> dict[str, Any]:
        number = payload.get("id", payload.get("chargingProfileId"))
        known = self.profiles.pop(number, None)
        return {"status": "Unknown" if known is None else "Accepted"}

    def _composite(self, payload: dict[str, Any]) -> dict[str, Any]:
        place = payload.get("connectorId", payload.get("evseId"))
        kw = self.limit_kw(place)
        if kw is None:
            return {"status": "Rejected"}
        schedule = {
            "chargingRateUnit": "W",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": kw * 1000}],
        }
        if self.version == "1.6":
            return {"status": "Accepted", "connectorId": place, "chargingSchedule": schedule}
        schedule |= {"evseId": place, "duration": 300, "scheduleStart": _now()}
        return {"status": "Accepted", "schedule": schedule}

    def limit_kw(self, connector: int) -> float | None:
        """What it holds a connector to; None for nothing."""
        found = [p["kw"] for p in self.profiles.values() if p["connector"] in (connector, 0)]
        return min(found, default=None)


def _settings(payload: dict[str, Any]) -> dict[str, Any]:
    asked = payload.get("getVariableData")
    if asked is not None:
        return {"getVariableResult": [_variable(each) for each in asked]}
    keys = [{"key": k, "readonly": True, "value": v} for k, v in _SETTINGS.items()]
    return {"configurationKey": keys}


def _variable(asked: dict[str, Any]) -> dict[str, Any]:
    name = f"{asked['component']['name']}.{asked['variable']['name']}"
    if name not in _VARIABLES:
        return {"attributeStatus": "UnknownVariable", **asked}
    return {"attributeStatus": "Accepted", "attributeValue": _VARIABLES[name], **asked}


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
