"""A connector and what is going on at it, without any version's words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from .electrical import MIN_CURRENT_A, Cap, Supply
from .vehicle import Charge

# Beyond all that is looked at, seconds.
FAR_S = 1e9


class Phase(Enum):
    """Phase of a connector."""

    AVAILABLE = "Available"
    PREPARING = "Preparing"
    CHARGING = "Charging"
    SUSPENDED_EVSE = "SuspendedEVSE"
    SUSPENDED_EV = "SuspendedEV"
    FINISHING = "Finishing"
    RESERVED = "Reserved"
    UNAVAILABLE = "Unavailable"
    FAULTED = "Faulted"


IN_TRANSACTION = (Phase.CHARGING, Phase.SUSPENDED_EVSE, Phase.SUSPENDED_EV)


@dataclass(frozen=True)
class Fault:
    """Fault of a connector; `error_code` is one of OCPP 1.6's."""

    error_code: str = "OtherError"
    info: str = ""
    vendor_error_code: str = ""


@dataclass(frozen=True)
class Reservation:
    """Kept for an idTag until `expiry_s`."""

    reservation_id: int
    id_tag: str
    expiry_s: float


@dataclass
class Transaction:
    """A transaction; `wire_id` is what both sides call it, None until it is known."""

    number: int
    connector_id: int
    id_tag: str
    start_s: float
    meter_start_wh: int
    wire_id: int | str | None = None
    remote_start_id: int | None = None
    reservation_id: int | None = None
    # Counted from the last boot.
    own_number: int = 0
    # What the meter really had at the begin, Wh; `meter_start_wh` is what it showed.
    register_start_wh: float = 0.0
    samples: int = 0
    seq_no: int = 0
    stop_s: float | None = None
    meter_stop_wh: int | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Reading:
    """Reading of a connector's meter. None: it has no such thing (or nothing to show)."""

    energy_wh: float
    exported_wh: float
    power_w: float
    current_a: tuple[float, ...]
    voltage_v: tuple[float, ...]
    offered_w: float
    offered_a: float
    soc: float | None
    temperature_c: float
    transaction: Transaction | None = None


@dataclass
class Connector:
    """State of a connector. Its power and energy are moved by the flow alone."""

    connector_id: int
    supply: Supply
    register_wh: float
    # How far the register has fallen since, Wh (a quirk), and what vehicles have fed back.
    fallen_wh: float = 0.0
    exported_wh: float = 0.0
    # What a vehicle feeds back in a transaction, W (a quirk).
    feeds_back_w: float = 0.0
    charge: Charge | None = None
    # The vehicle came because of a remote start, and leaves after the transaction.
    leaves: bool = False
    token: str | None = None
    remote_start_id: int | None = None
    transaction: Transaction | None = None
    fault: Fault | None = None
    reservation: Reservation | None = None
    operative: bool = True
    # ChangeAvailability that waits for the end of the transaction.
    wanted_operative: bool | None = None
    finished: bool = False
    ceiling_w: float = 0.0
    announced: object = None

    def is_reserved_as(self, reservation_id: int) -> bool:
        """Return True if the reservation with that id holds this connector."""
        return self.reservation is not None and self.reservation.reservation_id == reservation_id

    @property
    def wants_power(self) -> bool:
        """Return True if a vehicle may draw here, ceiling aside."""
        return self.transaction is not None and self.charge is not None and self.fault is None

    @property
    def power_w(self) -> float:
        """Return what flows at this moment, W; negative where the vehicle feeds back."""
        if not self.wants_power or self.charge is None:
            return 0.0
        if self.feeds_back_w:
            return -self.feeds_back_w if self.charge.soc > 0 else 0.0
        return self.charge.power_w(self.ceiling_w)

    @property
    def energy_wh(self) -> int:
        """Return what the meter's register shows, whole Wh."""
        return int(self.register_wh - self.fallen_wh)

    def move(self, span_s: float) -> None:
        """Charge (or feed back) for that long."""
        if not self.wants_power or self.charge is None:
            return
        if self.feeds_back_w:
            self.exported_wh += self.charge.give(self.feeds_back_w, span_s)
        else:
            self.register_wh += self.charge.deliver(self.ceiling_w, span_s)

    def next_change_s(self) -> float:
        """Seconds until the demand ends or the battery is empty; infinite for never."""
        if not self.wants_power or self.charge is None:
            return math.inf
        if self.feeds_back_w:
            left_s = self.charge.giving_s(self.feeds_back_w)
        else:
            left_s = self.charge.flowing_s(self.ceiling_w, FAR_S) if self.ceiling_w > 0 else 0.0
        return left_s + 1e-6 if 0 < left_s < FAR_S else math.inf

    def phase(self) -> Phase:  # noqa: PLR0911 - one for each phase
        """Return what it is doing, by what it has."""
        if self.fault is not None:
            return Phase.FAULTED
        if self.transaction is not None:
            if self.charge is None or (self.charge.is_full and not self.feeds_back_w):
                return Phase.SUSPENDED_EV
            return Phase.CHARGING if self.ceiling_w > 0 else Phase.SUSPENDED_EVSE
        if not self.operative:
            return Phase.UNAVAILABLE
        if self.charge is not None:
            return Phase.FINISHING if self.finished else Phase.PREPARING
        if self.token is not None:
            return Phase.PREPARING
        return Phase.RESERVED if self.reservation is not None else Phase.AVAILABLE

    def reading(self, cap: Cap, claimed_w: float | None = None) -> Reading:
        """Return what the meter shows now; `cap` is the bound in force. `claimed_w` stands for the
        power that is offered where the charge point does not tell the truth (W)."""
        supply, charge = self.supply, self.charge
        power_w = self.power_w
        vehicle_phases = charge.vehicle.ac_phases if charge is not None else supply.phases
        phases = supply.used_phases(cap, vehicle_phases)
        if supply.kind == "DC":
            # The battery's voltage rises a little as it fills.
            soc = charge.soc if charge is not None else 0.0
            voltage_v: tuple[float, ...] = (350.0 + 60.0 * soc if charge is not None else 0.0,)
            current_a: tuple[float, ...] = (power_w / voltage_v[0] if voltage_v[0] else 0.0,)
        else:
            live = [index for index in range(supply.phases) if index + 1 != supply.dead_phase]
            each_a = power_w / (supply.voltage_v * phases)
            voltage_v = tuple(
                supply.voltage_v if index in live else 0.0 for index in range(supply.phases)
            )
            current_a = tuple(
                each_a if index in live[:phases] else 0.0 for index in range(supply.phases)
            )
        offered_w = self.ceiling_w if claimed_w is None else claimed_w
        # What is offered to the vehicle: per phase with AC, on the side of the battery with DC.
        offered_a = offered_w / (supply.voltage_v * phases)
        if supply.kind == "DC":
            offered_a = offered_w / voltage_v[0] if voltage_v[0] else 0.0
        elif offered_a < MIN_CURRENT_A - 0.01:
            offered_a = 0.0
        return Reading(
            energy_wh=self.energy_wh,
            exported_wh=self.exported_wh,
            power_w=power_w,
            current_a=current_a,
            voltage_v=voltage_v,
            offered_w=offered_w,
            offered_a=offered_a,
            soc=None if charge is None or supply.kind == "AC" else 100 * charge.soc,
            temperature_c=25.0 + 20.0 * abs(power_w) / supply.rated_w,
            transaction=self.transaction,
        )
