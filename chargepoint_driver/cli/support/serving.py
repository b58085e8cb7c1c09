"""Signals and logs of commands that run until interrupted."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, TypeVar

import click

from chargepoint_driver.config.common import parse_address
from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.process.files import regular_file
from chargepoint_driver.process.garbage import rare_collections
from chargepoint_driver.process.signals import EndSignals
from chargepoint_driver.text import Visible

__all__ = ["log_options", "serve_metrics", "serving"]

_Command = TypeVar("_Command", bound=Callable[..., Any])
_MAX_LOG_BYTES = 10_000_000


def log_options(command: _Command) -> _Command:
    """Add --log-file and --max-log-bytes, the parameters `log_file` and `max_log_bytes`."""
    command = click.option(
        "--max-log-bytes",
        type=click.IntRange(10_000),
        default=_MAX_LOG_BYTES,
        show_default=True,
        help="Total size of --log-file and the previous one.",
    )(command)
    return click.option(
        "--log-file",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Log to this file instead of stderr.",
    )(command)


@contextmanager
def serving(log_file: Path | None, max_log_bytes: int, level: int) -> Iterator[EndSignals]:
    """Note signals, collect garbage rarely, and log this package from `level` on.

    Raises ConfigurationError where the file cannot be written.
    """
    root, package = logging.getLogger(), logging.getLogger("chargepoint_driver")
    handlers, before = list(root.handlers), package.level
    added: logging.Handler | None = None
    if log_file is not None:
        try:
            added = RotatingFileHandler(
                regular_file(log_file), maxBytes=max_log_bytes // 2, backupCount=1, encoding="utf-8"
            )
        except OSError as error:
            raise ConfigurationError(
                f"--log-file: {log_file} cannot be written ({error.strerror or error})"
            ) from None
        added.addFilter(Visible())
        added.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        root.handlers[:] = [added]
    if not root.isEnabledFor(level):
        package.setLevel(level)
    try:
        with EndSignals() as signals, rare_collections():
            yield signals
    finally:
        package.setLevel(before)
        if added is not None:
            root.handlers[:] = handlers
            added.close()


def serve_metrics(
    listen: str,
    system: Any,
    setting: str,
    services: Callable[[], list[tuple[str, Any]]] = list,
) -> Any:
    """Start the server of a central system's metrics, and return it. `setting` is what its address
    is called in messages. `services` returns further accounts by name, as they are then. Raises
    ConfigurationError."""
    from chargepoint_driver.metrics import Exposition, of_central_system, of_service  # noqa: PLC0415
    from chargepoint_driver.metrics.server import MetricsServer  # noqa: PLC0415

    try:
        address = parse_address(listen)
    except ValueError as error:
        raise ConfigurationError(f"{setting}: {error}") from None
    name = system.config.stream_name or "ocpp"
    exposition = Exposition(
        lambda: [
            of_central_system(name, system),
            *(of_service(account, service) for account, service in services()),
        ],
        {"central_system": system.loop_delay},
    )
    return MetricsServer(address, exposition).start()
