"""Configuration of circuits and of the ports below them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

__all__ = ["CircuitConfig", "PortConfig", "path_of", "problems"]


def _number(value: object) -> object:
    if isinstance(value, (bool, str)):
        raise ValueError("must be a number")
    return value


Amperes = Annotated[float, Field(ge=0, le=100_000, allow_inf_nan=False), BeforeValidator(_number)]
Kw = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False), BeforeValidator(_number)]
Phase = Literal[1, 2, 3]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class PortConfig(_Model):
    """A port on a circuit."""

    device: Any = Field(description="topic of the port; without VOLTTRON: station and port")
    phases: tuple[Phase, ...] = Field(
        (1, 2, 3), min_length=1, max_length=3, description="phases of the circuit it is wired to"
    )
    limit_unit: Literal["A", "W"] = Field(
        "A",
        description="what the charger holds: the current of each phase, or the power. A power is "
        "taken to flow on one phase until the phases are learned",
    )
    learn_phases: bool = Field(
        False, description="count only the phases that its vehicle was measured to use"
    )
    voltage: Annotated[float, Field(gt=0, le=1_000), BeforeValidator(_number)] = Field(
        230.0, description="V between phase and neutral"
    )
    min_a: Annotated[float, Field(ge=0, le=1_000), BeforeValidator(_number)] = Field(
        6.0, description="least current of a phase with which a vehicle charges"
    )
    max_a: Annotated[float, Field(gt=0, le=1_000), BeforeValidator(_number)] = Field(
        description="most current of a phase that the port can deliver"
    )
    priority: Annotated[int, Field(ge=0, le=100)] = Field(0, description="the higher comes first")
    effect_s: Annotated[float, Field(ge=0, le=3_600), BeforeValidator(_number)] = Field(
        10.0,
        description="seconds after which a limit has taken effect; ChargePoint's service: 300",
    )

    @model_validator(mode="after")
    def _fits(self) -> PortConfig:
        if self.min_a > self.max_a:
            raise ValueError(f"min_a {self.min_a:g} is above max_a {self.max_a:g}")
        if len(set(self.phases)) != len(self.phases):
            raise ValueError("phases: each phase once")
        return self

    @property
    def kw_per_a(self) -> float:
        """kW that one ampere on each of its phases carries."""
        return self.voltage * len(self.phases) / 1000


class CircuitConfig(_Model):
    """A circuit. At least one of the limits is given."""

    parent: str = Field("", description="name of the circuit that feeds it")
    kw: Kw | None = Field(None, description="limit in kW")
    amps: Amperes | None = Field(None, description="limit in A of each phase")
    group: str = Field("", description="group of the schedule whose limit counts here too")
    meter_topic: str = Field("", description="topic of a live meter of the whole circuit")
    meter_kw: str = Field("", description="its point with the power in kW")
    meter_amps: tuple[str, ...] = Field(
        (), max_length=3, description="its points with the currents of phases 1 to 3 in A"
    )
    meter_timeout_seconds: Annotated[float, Field(gt=0, le=86_400), BeforeValidator(_number)] = 60.0
    failsafe_kw: Kw | None = Field(None, description="kW for the ports while the meter is silent")
    failsafe_amps: Amperes | None = Field(
        None, description="A of a phase for the ports while the meter is silent"
    )
    rotation_minutes: Annotated[float, Field(gt=0, le=1_440), BeforeValidator(_number)] = Field(
        15.0, description="turn of a port where there is less than the minimum for all"
    )
    ports: dict[str, PortConfig] = Field({}, description="ports by name")

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> CircuitConfig:
        if self.kw is None and self.amps is None and not self.group:
            raise ValueError("needs a limit: kw, amps or group")
        if not self.meter_topic:
            return self
        if self.kw is not None and not self.meter_kw:
            raise ValueError("meter_kw: name the meter's point with the power in kW")
        if self.amps is not None and len(self.meter_amps) != 3:
            raise ValueError("meter_amps: name the meter's points of phases 1, 2 and 3")
        if self.kw is not None and self.failsafe_kw is None:
            raise ValueError("failsafe_kw: say what the ports may take while the meter is silent")
        if self.amps is not None and self.failsafe_amps is None:
            raise ValueError("failsafe_amps: say what the ports may take while the meter is silent")
        return self


def path_of(name: str, circuits: Mapping[str, CircuitConfig]) -> tuple[str, ...]:
    """Return the circuit and those that feed it, up to the first."""
    path: list[str] = []
    at = name
    while at in circuits and at not in path:
        path.append(at)
        at = circuits[at].parent
    return tuple(path)


def problems(circuits: Mapping[str, CircuitConfig]) -> list[str]:
    """Return a sentence for each fault between circuits: parents, loops, names, devices twice."""
    found = []
    names: dict[str, str] = {}
    devices: list[Any] = []
    for name, circuit in circuits.items():
        if circuit.parent and circuit.parent not in circuits:
            found.append(f"circuits.{name}: parent: no circuit {circuit.parent!r}")
        path = path_of(name, circuits)
        if circuits[path[-1]].parent in path:
            found.append(f"circuits.{name}: parent: feeds itself; remove one parent")
        for port, config in circuit.ports.items():
            if port in names:
                found.append(f"circuits.{name}: ports: {port!r} is in {names[port]} too")
            names[port] = name
            if config.device in devices:
                found.append(f"circuits.{name}: ports.{port}: its device is there twice")
            devices.append(config.device)
    return found
