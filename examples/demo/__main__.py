"""`python -m examples.demo`, from the root of the repository."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from examples.demo.run import Options, run


def main() -> int:
    """Parse the command line and run the demo; its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.demo",
        description="Simulated charging stations on a real VOLTTRON platform, and a "
        "demand-response event. Ends automatically.",
    )
    parser.add_argument(
        "--keep", action="store_true", help="keep running after the event, until Ctrl-C"
    )
    parser.add_argument(
        "--agent", action="store_true", help="let the driver ask a caching agent of the platform"
    )
    parser.add_argument(
        "--ocpp",
        action="store_true",
        help="chargers that connect directly, instead of ChargePoint's web services",
    )
    parser.add_argument(
        "--events",
        action="store_true",
        help="send events to a file, and to NATS JetStream where it is installed",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("build/demo"),
        metavar="FOLDER",
        help="where report.json, historian.sqlite and logs/ go (default: %(default)s)",
    )
    arguments = parser.parse_args()
    options = Options(
        arguments.output.absolute(),
        keep=arguments.keep,
        agent=arguments.agent,
        ocpp=arguments.ocpp,
        events=arguments.events,
    )
    return run(options)


if __name__ == "__main__":
    sys.exit(main())
