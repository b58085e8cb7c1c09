"""A charge point without its connection: connectors, transactions, faults, availability.

What it would tell a central system goes through the hooks at the end, which each version
of OCPP fills in. All methods are called on the event loop's thread.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random
from typing import Any

from ..moments import iso, seconds_of
from ..quirks.quirks import Quirks
from ..scheduler import Entry, Scheduler
from .connector import IN_TRANSACTION, Connector, Fault, Phase, Reservation, Transaction
from .electrical import Supply
from .power_sharing import PowerSharing
from .profiles import ProfileBook, Purpose
from .spec import TwinSpec
from .vehicle import Charge, Vehicle, draw_vehicle

# A vehicle that arrived for a remote start stays so long after its transaction, simulated.
LEAVES_AFTER_S = 30.0

# Called whenever something may look different from before.
News = Callable[[], None]


class NotNowError(RuntimeError):
    """The action is not possible now; the text has the reason."""


class Station:
    """Connectors and their transactions over simulated time."""

    def __init__(self, spec: TwinSpec, scheduler: Scheduler, random: Random, news: News) -> None:
        self._news = news
        self.spec = spec
        self.scheduler = scheduler
        self.random = random
        self.quirks = Quirks(spec.quirks)
        now_s = scheduler.now_s()
        self.booted_s = now_s
        self.profile_store = ProfileBook()
        self.connectors = [
            Connector(number, supply, register_wh=float(random.randrange(50_000, 5_000_000)))
            for number, supply in enumerate(spec.supplies, start=1)
        ]
        self.station_fault: Fault | None = None
        self.operative = True
        self.flow = PowerSharing(self.connectors, self.profile_store, _mains(spec.supplies), now_s)
        self.transactions: list[Transaction] = []
        self._change: Entry | None = None
        self._timers: dict[tuple[str, int], Entry] = {}
        self._numbers = 0
        self.number_since_boot = 0
        # Whether a vehicle arrives automatically for a remote start, and which (None: any).
        self.plugs_on_remote_start = spec.plug_on_remote_start
        self.arriving_vehicle: Vehicle | None = None
        self._obey_quirks()

    # -- looking ------------------------------------------------------------------

    def connector(self, connector_id: int) -> Connector:
        """Return the connector with that number. Raises NotNowError when there is none."""
        if not 1 <= connector_id <= len(self.connectors):
            raise NotNowError(f"{self.spec.identity} has no connector {connector_id}")
        return self.connectors[connector_id - 1]

    def phase(self, connector: Connector) -> Phase:
        """Return what a connector is doing, the whole charge point considered."""
        phase = connector.phase()
        if self.station_fault is not None:
            return Phase.FAULTED
        if not self.operative and phase not in (*IN_TRANSACTION, Phase.FAULTED):
            return Phase.UNAVAILABLE
        return phase

    def stamp(self, seconds: float) -> str:
        """Return a time as the charge point's own clock has it."""
        if self.quirks.has("clock_1970"):
            seconds -= self.booted_s
        start = self.quirks.get("clock_never_set", "start")
        if start is not None:
            stands = self.quirks.get("clock_never_set", "stands")
            seconds = (seconds_of(start) or 0.0) + (0.0 if stands else seconds - self.booted_s)
        return iso(seconds + self.quirks.get("local_time_as_utc", "offset_s", 0.0))

    def status_stamp(self, connector_id: int) -> str:
        """Return the time in a StatusNotification of a connector (0: the charge point)."""
        age_s = self.quirks.get("old_status_times", "age_s", 0.0) if connector_id else 0.0
        return self.stamp(self.begin() - age_s)

    # -- what people do -----------------------------------------------------------

    def plug(self, connector_id: int, vehicle: Vehicle | None = None) -> Vehicle:
        """Plug a vehicle in (None: one of the fleet). Raises NotNowError."""
        now_s = self.begin()
        connector = self.connector(connector_id)
        if connector.charge is not None:
            raise NotNowError(f"connector {connector_id} has a vehicle already")
        vehicle = vehicle or draw_vehicle(self.random)
        connector.charge = Charge(vehicle, connector.supply.kind)
        connector.finished = False
        self.refresh(now_s)
        if connector.token is not None:
            self.begin_transaction(connector)
        return vehicle

    def demand(self, connector_id: int, max_kw: float) -> None:
        """Have the vehicle at a connector take at most that much, kW. Raises NotNowError."""
        now_s = self.begin()
        connector = self.connector(connector_id)
        if connector.charge is None:
            raise NotNowError(f"no vehicle at connector {connector_id}")
        connector.charge.want(max_kw)
        self.refresh(now_s)

    def unplug(self, connector_id: int) -> None:
        """Take the vehicle away. Raises NotNowError."""
        now_s = self.begin()
        connector = self.connector(connector_id)
        if connector.charge is None:
            raise NotNowError(f"no vehicle at connector {connector_id}")
        if connector.transaction is not None and self.stops_on_unplug():
            self.end_transaction(connector, "EVDisconnected", quietly=True)
        connector.charge = None
        connector.finished = connector.leaves = False
        connector.token = None
        self.refresh(now_s)

    def accept(self, connector: Connector, id_tag: str, remote_start_id: int | None = None) -> None:
        """Allow charging here: start when a vehicle is there, else wait for it."""
        now_s = self.begin()
        connector.token, connector.remote_start_id = id_tag, remote_start_id
        if connector.charge is not None and not connector.finished:
            self.begin_transaction(connector)
        elif connector.charge is not None:
            # The same vehicle once more.
            connector.finished = False
            self.begin_transaction(connector)
        else:
            self.refresh(now_s)
            self.timer("wait", connector, self.connection_timeout_s(), self._forget_token)

    def begin_transaction(self, connector: Connector) -> Transaction:
        """Start charging for the token at a connector."""
        with self.scheduler.standing_still():
            return self._begin_transaction(connector, self.begin())

    def _begin_transaction(self, connector: Connector, now_s: float) -> Transaction:
        self._numbers += 1
        self.number_since_boot += 1
        if self.quirks.has("session_register"):
            connector.register_wh = connector.fallen_wh = 0.0
        reservation, connector.reservation = connector.reservation, None
        transaction = Transaction(
            number=self._numbers,
            connector_id=connector.connector_id,
            id_tag=connector.token or "",
            start_s=now_s,
            meter_start_wh=connector.energy_wh,
            register_start_wh=connector.register_wh,
            own_number=1
            if self.quirks.get("numbers_from_one", "always_one")
            else self.number_since_boot,
            remote_start_id=connector.remote_start_id,
            reservation_id=reservation.reservation_id if reservation else None,
        )
        connector.transaction = transaction
        connector.token = connector.remote_start_id = None
        self.transactions.append(transaction)
        self.drop_timer("wait", connector)
        self.drop_timer("leave", connector)
        self.flow.set_ceilings()
        self.send_started(connector, transaction)
        self.refresh(now_s)
        self.sample_later(connector, now_s)
        return transaction

    def end_transaction(self, connector: Connector, reason: str, *, quietly: bool = False) -> None:
        """Stop charging. Raises NotNowError without a transaction. `quietly` leaves it to the
        caller to refresh."""
        with self.scheduler.standing_still():
            self._end_transaction(connector, reason, self.begin())
            if not quietly:
                self.refresh(self.begin())

    def _end_transaction(self, connector: Connector, reason: str, now_s: float) -> None:
        transaction = connector.transaction
        if transaction is None:
            raise NotNowError(f"no transaction at connector {connector.connector_id}")
        transaction.stop_s = now_s
        transaction.meter_stop_wh = connector.energy_wh
        transaction.reason = reason
        self.drop_timer("sample", connector)
        # The last sample is taken while the transaction is still on.
        self.send_stopped(connector, transaction)
        connector.transaction = None
        connector.finished = connector.charge is not None
        self._forget_transaction_profiles(connector)
        if connector.leaves:
            self.timer("leave", connector, LEAVES_AFTER_S, self._leave)
        if connector.wanted_operative is not None:
            connector.operative, connector.wanted_operative = connector.wanted_operative, None

    def set_fault(self, connector_id: int, fault: Fault | None) -> None:
        """Break a connector (0: the charge point), or fix it."""
        now_s = self.begin()
        if connector_id == 0:
            self.station_fault = fault
        else:
            self.connector(connector_id).fault = fault
        self.refresh(now_s)

    def change_availability(self, connector_id: int, operative: bool) -> bool:
        """Take into or out of service (0: all). False when it has to wait for a transaction."""
        now_s = self.begin()
        chosen = self.connectors if connector_id == 0 else [self.connector(connector_id)]
        if connector_id == 0:
            self.operative = operative
        scheduled = False
        for connector in chosen:
            if connector.transaction is not None and not operative:
                connector.wanted_operative = operative
                scheduled = True
            else:
                connector.operative, connector.wanted_operative = operative, None
        self.refresh(now_s)
        return not scheduled

    def reserve(self, connector: Connector, reservation: Reservation) -> None:
        """Keep a connector for somebody until the reservation expires."""
        now_s = self.begin()
        connector.reservation = reservation
        self.timer("reserve", connector, reservation.expiry_s - now_s, self._expire)
        self.refresh(now_s)

    def cancel_reservation(self, reservation_id: int) -> bool:
        """Return True if there was one."""
        now_s = self.begin()
        for connector in self.connectors:
            reservation = connector.reservation
            if reservation is not None and reservation.reservation_id == reservation_id:
                connector.reservation = None
                self.drop_timer("reserve", connector)
                self.refresh(now_s)
                return True
        return False

    def set_quirk(self, name: str, parameters: Mapping[str, Any] | None) -> None:
        """Switch a quirk on, or (None) off. Raises ValueError."""
        now_s = self.begin()
        if parameters is None:
            self.quirks.off(name)
        else:
            self.quirks.on(name, **parameters)
        self._obey_quirks()
        self.refresh(now_s)

    def _obey_quirks(self) -> None:
        after_s = self.quirks.get("ignores_profiles", "obeys_after_s", 0.0)
        self.profile_store.obeys_after_s = math.inf if after_s is None else after_s
        self.profile_store.minimum_of_purposes = self.quirks.has("min_of_purposes")
        dead_phase = self.quirks.get("dead_phase", "phase")
        for connector in self.connectors:
            connector.feeds_back_w = 1000 * self.quirks.get("feeds_back", "kw", 0.0)
            if connector.supply.kind == "AC" and connector.supply.phases > 1:
                connector.supply = replace(connector.supply, dead_phase=dead_phase)

    # -- time -----------------------------------------------------------------------

    def begin(self) -> float:
        """Bring meters to the present; returns it."""
        now_s = self.scheduler.now_s()
        self.flow.advance(now_s)
        return now_s

    def refresh(self, now_s: float) -> None:
        """After any change: share the power again, tell what is different, look again later."""
        self.flow.set_ceilings()
        for connector in self.connectors:
            self.send_status(connector)
        if self._change is not None:
            self._change.cancel()
            self._change = None
        change_s = self.flow.next_change_s()
        if change_s < math.inf:
            self._change = self.scheduler.at(max(change_s, now_s), self._changed)
        self._news()

    def timer(
        self, name: str, connector: Connector, seconds: float, then: Callable[[Connector], None]
    ) -> None:
        """Call back after simulated seconds, in place of the timer of that name."""
        self.drop_timer(name, connector)
        self._timers[name, connector.connector_id] = self.scheduler.after(
            max(0.0, seconds), lambda: then(connector)
        )

    def drop_timer(self, name: str, connector: Connector) -> None:
        """Forget a timer."""
        entry = self._timers.pop((name, connector.connector_id), None)
        if entry is not None:
            entry.cancel()

    def drop_timers(self) -> None:
        """Forget all of them."""
        for entry in self._timers.values():
            entry.cancel()
        self._timers.clear()
        if self._change is not None:
            self._change.cancel()

    def _changed(self) -> None:
        self._change = None
        self.refresh(self.begin())

    def _leave(self, connector: Connector) -> None:
        if connector.charge is not None and connector.transaction is None:
            self.unplug(connector.connector_id)

    def arrive(self, connector: Connector) -> None:
        """Plug in a vehicle for an idTag that waits; it leaves after the transaction."""
        if connector.charge is None:
            connector.leaves = True
            self.plug(connector.connector_id, self.arriving_vehicle)

    def _forget_token(self, connector: Connector) -> None:
        connector.token = None
        self._forget_transaction_profiles(connector)
        self.refresh(self.begin())

    def _forget_transaction_profiles(self, connector: Connector) -> None:
        self.profile_store.remove(
            lambda one: one.purpose is Purpose.TX and one.connector_id == connector.connector_id
        )

    def _expire(self, connector: Connector) -> None:
        reservation, connector.reservation = connector.reservation, None
        if reservation is not None:
            self.send_expired(reservation)
        self.refresh(self.begin())

    # -- hooks ------------------------------------------------------------------------

    def is_connected(self) -> bool:
        """Return True if messages get through at the moment."""
        raise NotImplementedError

    def stops_on_unplug(self) -> bool:
        """StopTransactionOnEVSideDisconnect."""
        raise NotImplementedError

    def connection_timeout_s(self) -> float:
        """Return how long an accepted idTag waits for a vehicle."""
        raise NotImplementedError

    def sample_later(self, connector: Connector, from_s: float) -> None:
        """Tell what the meter shows from time to time, counted from then."""
        raise NotImplementedError

    def send_status(self, connector: Connector) -> None:
        """Send the status if it differs from the last one sent."""
        raise NotImplementedError

    def send_started(self, connector: Connector, transaction: Transaction) -> None:
        """Tell that a transaction has started."""
        raise NotImplementedError

    def send_stopped(self, connector: Connector, transaction: Transaction) -> None:
        """Tell that a transaction has ended; its connector still has it."""
        raise NotImplementedError

    def send_expired(self, reservation: Reservation) -> None:
        """Tell that nobody came (OCPP 1.6 has no word for it)."""

    def send_sample(self, connector: Connector, transaction: Transaction) -> None:
        """Tell what the meter shows."""
        raise NotImplementedError


def _mains(supplies: tuple[Supply, ...]) -> Supply:
    """Return the connection of the whole charge point to the grid: room for all connectors."""
    widest = max(supplies, key=lambda supply: supply.phases)
    return Supply(
        "AC", sum(supply.rated_kw for supply in supplies), widest.phases, widest.voltage_v
    )
