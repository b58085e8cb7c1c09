"""`chargepoint-driver csms`: the OCPP central system alone, without VOLTTRON."""

from __future__ import annotations

import json
import logging
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from chargepoint_driver.cli.support.console import refuse_ignored
from chargepoint_driver.cli.support.serving import log_options, serve_metrics, serving
from chargepoint_driver.config.texts import read_json
from chargepoint_driver.errors import ConfigurationError

__all__ = ["csms"]


@click.command(
    epilog="\b\nExample:\n  chargepoint-driver csms --listen 127.0.0.1:9000 --database csms.sqlite"
)
@click.option(
    "--listen",
    default="127.0.0.1:9000",
    show_default=True,
    metavar="ADDRESS:PORT",
    help="Address for chargers; port 0 takes a free one.",
)
@click.option(
    "--database",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="SQLite file of transactions and events.",
)
@click.option(
    "--control",
    default=None,
    metavar="ADDRESS:PORT",
    help="Address of the control API (token: CHARGEPOINT_CONTROL_TOKEN); beyond loopback it needs "
    "tls in --config.",
)
@click.option(
    "--metrics",
    default=None,
    metavar="ADDRESS:PORT",
    help="Serve /metrics for Prometheus there, without a password.",
)
@click.option(
    "--charge-points",
    default=None,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON file of charge point ids and their settings; without it any may connect.",
)
@click.option(
    "--config",
    "config_file",
    default=None,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON file of further settings, like tls, voltage, phases, retention.",
)
@log_options
def csms(
    listen: str,
    database: Path,
    control: str | None,
    metrics: str | None,
    charge_points: Path | None,
    config_file: Path | None,
    log_file: Path | None,
    max_log_bytes: int,
) -> None:
    """Run the OCPP central system until interrupted.

    Prints one line of JSON when ready: ocpp_url and control_url, with --metrics also
    metrics_url. A charger connects to the ocpp_url, a slash and its id.
    """
    if log_file is None:
        refuse_ignored({"max_log_bytes"}, "is the size of --log-file: give that too")
    try:
        from chargepoint_driver.backends.ocpp import (  # noqa: PLC0415 - needs the ocpp extra
            CentralSystem,
            OcppConfig,
            read_charge_points,
        )
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{error.name} is not installed: pip install 'volttron-lib-chargepoint-driver[ocpp]'"
        ) from None

    fields: dict[str, Any] = {}
    if config_file is not None:
        fields = read_json(config_file).content
        if not isinstance(fields, dict):
            raise ConfigurationError(
                f"{config_file}: not a JSON object; begin with {{ and end with }}"
            )
    source = click.get_current_context().get_parameter_source("listen")
    if "listen" not in fields or source is not click.core.ParameterSource.DEFAULT:
        fields["listen"] = listen
    fields["database"] = database
    if charge_points is not None:
        fields["charge_points"] = read_charge_points(charge_points)
    system = CentralSystem(OcppConfig.from_dict(fields, str(config_file or "csms")))
    # Who connects, who is refused and why, and what is forgiven is shown without --debug.
    with serving(log_file, max_log_bytes, logging.INFO) as signals:
        try:
            system.start(control=control)
            ready = {"ocpp_url": system.ocpp_url, "control_url": system.control_url}
            with ExitStack() as stack:
                if metrics is not None:
                    server = serve_metrics(metrics, system, "--metrics")
                    stack.callback(server.stop)
                    ready["metrics_url"] = server.url
                click.echo(json.dumps(ready))
                signals.wait()
        finally:
            system.stop()
