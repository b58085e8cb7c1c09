"""`chargepoint-driver`: the group of commands and what they share."""

from __future__ import annotations

import logging
from typing import Any

import click

from chargepoint_driver import __version__
from chargepoint_driver.cli.check import check
from chargepoint_driver.cli.csms import csms
from chargepoint_driver.cli.points import points
from chargepoint_driver.cli.read import read
from chargepoint_driver.cli.sim import sim
from chargepoint_driver.errors import ChargePointError

__all__ = ["main"]


class _Group(click.Group):
    """Errors of the project end a command with their message and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ChargePointError as error:
            if ctx.params.get("debug"):
                raise
            raise click.ClickException(str(error)) from None


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
@click.option("--debug", is_flag=True, help="Log what happens and show tracebacks.")
def main(debug: bool) -> None:
    """ChargePoint EV charging stations as register-based VOLTTRON devices.

    \b
    Exit codes: 0 all well, 1 something given or read is wrong, 2 wrong usage.
    """
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.ERROR, format="%(levelname)s %(message)s"
    )


for _command in (check, csms, points, read, sim):
    main.add_command(_command)
