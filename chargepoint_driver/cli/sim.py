"""`chargepoint-driver sim`: simulated stations behind a SOAP service."""

from __future__ import annotations

import click

from chargepoint_driver.simulator.command import run

__all__ = ["sim"]


@click.command(
    epilog="\b\nExample:\n  chargepoint-driver sim --stations 4 --seed 7 --speed 60 --soap-port 0"
)
@click.option("--stations", type=click.IntRange(1, 100_000), default=4, show_default=True)
@click.option("--ports-per-station", type=click.IntRange(1, 8), default=2, show_default=True)
@click.option("--groups", type=click.IntRange(1), help="Station groups; one per 100 by default.")
@click.option("--seed", type=int, default=7, show_default=True, help="Same seed, same world.")
@click.option(
    "--speed",
    type=click.FloatRange(0, 100_000, min_open=True),
    default=1.0,
    show_default=True,
    help="Simulated seconds in a second.",
)
@click.option(
    "--soap-port",
    type=click.IntRange(0, 65_535),
    default=0,
    show_default=True,
    help="Port on 127.0.0.1; 0 takes a free one.",
)
@click.option("--username", default="simulator", show_default=True)
@click.option("--password", help="Password that the service wants; a placeholder by default.")
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
def sim(password: str | None, **options: object) -> None:
    """Serve simulated stations until interrupted.

    Prints one JSON line when ready: soap_url, username, password, stations, groups, stats_url.
    """
    if password is not None:
        options["password"] = password
    raise SystemExit(run(**options))  # type: ignore[arg-type]
