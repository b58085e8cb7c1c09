"""`chargepoint-driver sim`: simulated stations behind a SOAP service, and twins over OCPP."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from chargepoint_driver.cli.support.console import refuse_ignored
from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.simulator.command import run
from chargepoint_driver.simulator.ocpp import (
    QUIRKS,
    InvalidScenarioError,
    Scenario,
    load_recording,
    load_scenario,
)

__all__ = ["sim"]

_OF_SOAP = (
    *("ports_per_station", "groups", "soap_port", "username", "password"),
    *("shed_delay_s", "clear_delay_s"),
)
_OF_TWINS = (
    *("ocpp", "csms_url", "connectors", "kind", "rated_kw", "phases", "voltage_v", "quirks"),
    *("csms_password_env", "ca_file", "certificate_file", "key_file", "visits_per_day"),
    "control_port",
)


@click.command(epilog="\b\nExample:\n  chargepoint-driver sim --stations 4 --seed 7 --soap-port 0")
@click.option(
    "--stations",
    type=click.IntRange(0, 100_000),
    default=4,
    show_default=True,
    help="0: no SOAP service, OCPP chargers only.",
)
@click.option("--ports-per-station", type=click.IntRange(1, 8), default=2, show_default=True)
@click.option(
    "--groups", type=click.IntRange(1), help="Station groups.  [default: one per 100 stations]"
)
@click.option(
    "--seed", type=int, default=7, show_default=True, help="The same seed gives the same world."
)
@click.option(
    "--speed",
    type=click.FloatRange(0, 100_000, min_open=True),
    default=1.0,
    show_default=True,
    help="Simulated seconds per second.",
)
@click.option(
    "--soap-port",
    type=click.IntRange(0, 65_535),
    default=0,
    show_default=True,
    help="Port on 127.0.0.1; 0 takes a free one.",
)
@click.option("--username", default="simulator", show_default=True)
@click.option("--password", help="Password of the service.  [default: a placeholder]")
@click.option(
    "--shed-delay",
    "shed_delay_s",
    type=click.FloatRange(0),
    default=0.0,
    help="Simulated seconds until a shed takes effect.",
)
@click.option(
    "--clear-delay",
    "clear_delay_s",
    type=click.FloatRange(0),
    default=0.0,
    help="Simulated seconds until a clear takes effect.",
)
@click.option(
    "--charge-points",
    type=click.IntRange(0, 20_000),
    help="Number of simulated OCPP chargers (twins).",
)
@click.option(
    "--ocpp",
    type=click.Choice(["1.6", "2.0.1"]),
    default="1.6",
    show_default=True,
    help="OCPP version of the twins.",
)
@click.option(
    "--csms",
    "csms_url",
    default="ws://127.0.0.1:9000/ocpp",
    show_default=True,
    help="URL of the central system; the charge point id is added.",
)
@click.option("--connectors", type=click.IntRange(1, 32), default=1, show_default=True)
@click.option("--kind", type=click.Choice(["AC", "DC"]), default="AC", show_default=True)
@click.option(
    "--rated-kw", type=click.FloatRange(1, 2_000), help="Rated power of a connector in kW."
)
@click.option("--phases", type=click.IntRange(1, 3), help="Phases of a connector.  [default: 3]")
@click.option("--voltage", "voltage_v", type=click.FloatRange(50, 1_000), help="V.  [default: 230]")
@click.option(
    "--quirk",
    "quirks",
    multiple=True,
    metavar="NAME[:JSON]",
    help='Quirk of every twin, like limit_unit:{"unit":"W"}; may be repeated.',
)
@click.option(
    "--scenario",
    "scenario_file",
    type=click.Path(path_type=Path),
    help="JSON or YAML file to carry out.",
)
@click.option(
    "--replay",
    "recording_file",
    type=click.Path(path_type=Path),
    help="Recorded events, as JSON lines, whose sessions, loads and faults come again.",
)
@click.option(
    "--csms-password-env", metavar="NAME", help="Environment variable of the twins' password."
)
@click.option("--ca-file", help="PEM file of the central system's authority.")
@click.option("--certificate-file", help="Client certificate of the twins, PEM.")
@click.option("--key-file", help="Its key, PEM.")
@click.option(
    "--visits-per-day",
    type=click.FloatRange(0, 1_000),
    default=0.0,
    show_default=True,
    help="Vehicles per day at each connector.",
)
@click.option(
    "--plug-on-remote-start",
    is_flag=True,
    help="Plug in a vehicle for each remote start that waits.",
)
@click.option("--control-port", type=click.IntRange(0, 65_535), default=0, show_default=True)
def sim(password: str | None, stations: int, **options: Any) -> None:
    """Serve simulated stations and OCPP chargers (twins) until interrupted.

    Prints one JSON line when ready: soap_url, username, password, stations, groups, stats_url; with
    --charge-points or --scenario also charge_points and control_url.
    """
    if not stations:
        refuse_ignored(_OF_SOAP, "is for stations behind the SOAP service: --stations 0 has none")
    if all(options[name] is None for name in ("charge_points", "scenario_file", "recording_file")):
        refuse_ignored(_OF_TWINS, "is for twins: give --charge-points, --scenario or --replay too")
    if options["scenario_file"] is not None and options["recording_file"] is not None:
        raise click.UsageError("--scenario or --replay, not both")
    if stations and options["speed"] != 1:
        click.echo(
            f"note: at speed {options['speed']:g} sessions and timeInterval follow the simulated "
            f"clock, not that of this machine: a shed of 60 minutes ends after "
            f"{3600 / options['speed']:g} s",
            err=True,
        )
    twins = twin_options(options)
    if password is not None:
        options["password"] = password
    if not stations and twins is None:
        raise click.UsageError("--stations 0 needs --charge-points, --scenario or --replay")
    scenario: Scenario | None = None
    path, recording = options.pop("scenario_file"), options.pop("recording_file")
    if twins is not None and (path is not None or recording is not None):
        try:
            if recording is not None:
                scenario = load_recording(recording)
            else:
                scenario = load_scenario(path, {key: twins[key] for key in ("csms_url", "ocpp")})
        except InvalidScenarioError as error:
            raise ConfigurationError(str(error)) from None
    raise SystemExit(run(stations=stations, twins=twins, scenario=scenario, **options))


def twin_options(options: dict[str, Any]) -> dict[str, Any] | None:
    """Take what concerns the twins out of the options; None when there are none."""
    number = options.pop("charge_points")
    names = ("ocpp", "csms_url", "ca_file", "certificate_file", "key_file")
    twins = {key: value for key in names if (value := options.pop(key)) is not None}
    connector = {key: options.pop(key) for key in ("kind", "rated_kw", "phases", "voltage_v")}
    known = {key: value for key, value in connector.items() if value is not None}
    twins["connectors"] = [known] * int(options.pop("connectors"))
    twins["quirks"] = dict(_quirk(text) for text in options.pop("quirks"))
    twins["control_port"] = options.pop("control_port")
    for name in ("visits_per_day", "plug_on_remote_start"):
        twins[name] = options.pop(name)
    variable = options.pop("csms_password_env")
    if variable is not None:
        if not os.environ.get(variable):
            raise click.UsageError(f"the environment variable {variable} is not set")
        twins["password"] = os.environ[variable]
    if number is None and options["scenario_file"] is None and options["recording_file"] is None:
        return None
    return {"charge_points": number or 0, **twins}


def _quirk(text: str) -> tuple[str, Any]:
    name, colon, parameters = text.partition(":")
    if name not in QUIRKS:
        raise click.UsageError(f"no quirk {name!r}: use one of {', '.join(sorted(QUIRKS))}")
    try:
        return name, json.loads(parameters) if colon else {}
    except ValueError:
        raise click.UsageError(f"quirk {name}: {parameters!r} is not JSON") from None
