"""A connector and what is going on at it, without any version's words."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from .supply import LEAST_CURRENT_A, Cap, Supply
from .vehicle import Charge


class Phase(Enum):
    """What a connector is doing."""

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
    """What is wrong; `error_code` is one of OCPP 1.6's."""

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
    started_offline: bool = False
    seq_no: int = 0
    stop_s: float | None = None
    meter_stop_wh: int | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Reading:
    """What the meter of a connector shows. None: it has no such thing (or nothing to show)."""

    energy_wh: float
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
    charge: Charge | None = None
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
    spent: list[Transaction] = field(default_factory=list)

    @property
    def wants_power(self) -> bool:
        """Whether a vehicle may draw here, ceiling aside."""
        return self.transaction is not None and self.charge is not None and self.fault is None

    @property
    def power_w(self) -> float:
        """What flows at this moment, W."""
        if not self.wants_power or self.charge is None:
            return 0.0
        return self.charge.power_w(self.ceiling_w)

    @property
    def energy_wh(self) -> int:
        """The meter's register, whole Wh."""
        return int(self.register_wh)

    def phase(self) -> Phase:  # noqa: PLR0911 - one for each phase
        """What it is doing, by what it has."""
        if self.fault is not None:
            return Phase.FAULTED
        if self.transaction is not None:
            if self.charge is None or self.charge.is_full:
                return Phase.SUSPENDED_EV
            return Phase.CHARGING if self.ceiling_w > 0 else Phase.SUSPENDED_EVSE
        if not self.operative:
            return Phase.UNAVAILABLE
        if self.charge is not None:
            return Phase.FINISHING if self.finished else Phase.PREPARING
        if self.token is not None:
            return Phase.PREPARING
        return Phase.RESERVED if self.reservation is not None else Phase.AVAILABLE

    def reading(self, cap: Cap) -> Reading:
        """What the meter shows now; `cap` is the bound in force."""
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
            voltage_v = (supply.voltage_v,) * supply.phases
            each_a = power_w / (supply.voltage_v * phases)
            current_a = tuple(each_a if index < phases else 0.0 for index in range(supply.phases))
        offered_a = self.ceiling_w / (supply.voltage_v * phases)
        return Reading(
            energy_wh=self.energy_wh,
            power_w=power_w,
            current_a=current_a,
            voltage_v=voltage_v,
            offered_w=self.ceiling_w,
            offered_a=offered_a if offered_a >= LEAST_CURRENT_A - 0.01 else 0.0,
            soc=None if charge is None or supply.kind == "AC" else 100 * charge.soc,
            temperature_c=25.0 + 20.0 * power_w / supply.rated_w,
            transaction=self.transaction,
        )
