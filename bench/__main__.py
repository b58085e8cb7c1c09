"""`make bench`: print every figure with its bound and write build/bench/*.json.

Each part runs in a process of its own. Exit code 1 when a figure misses its bound.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.figure import Figure

PARTS = (
    *("calls", "first_poll", "replies", "points", "memory", "writes", "check_configs"),
    *("driver_start", "publish_all", "ocpp_bus", "ocpp_site", "ocpp_page", "page"),
    *("ocpp_rate", "ocpp_fleet", "ocpp_kills", "ocpp_storm", "ocpp_history", "ocpp_disk"),
    *("ocpp_scale", "events", "metrics", "fleet"),
)
# Parts that are run only where they are named.
MORE = ("ocpp_profile", "events_long", "fleet_sizes", "fleet_long")
PART_LIMIT_S = 900


def main(wanted: list[str]) -> int:
    """Run the parts named, or all of `PARTS`."""
    output = Path("build/bench")
    output.mkdir(parents=True, exist_ok=True)
    table = Table("What", "Figure", "Bound", "", title="Above each: what a user gains")
    missed, gain, begun_s = 0, "", time.monotonic()
    for name in wanted or PARTS:
        command = [sys.executable, "-m", "bench.part", name]
        part_s = time.monotonic()
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, timeout=PART_LIMIT_S, check=True)
        except subprocess.SubprocessError as error:
            # The other parts are measured all the same.
            table.add_section()
            table.add_row(f"part {name}", f"failed: {type(error).__name__}", "", "[red]missed[/]")
            missed += 1
            continue
        part_s = time.monotonic() - part_s
        print(f"{name}: {part_s:.0f} s", file=sys.stderr, flush=True)
        figures = [Figure(**fields) for fields in json.loads(done.stdout)]
        for figure in figures:
            missed += not figure.good
            if figure.gain != gain:
                gain = figure.gain
                table.add_section()
                table.add_row(f"[bold]{gain}[/]")
            table.add_row(
                figure.what,
                figure.shown,
                figure.bound,
                "skipped"
                if figure.value is None
                else "[green]kept[/]"
                if figure.good
                else "[red]missed[/]",
            )
        written = {
            "python": platform.python_version(),
            "seconds": round(part_s, 1),
            "figures": [asdict(figure) | {"good": figure.good} for figure in figures],
        }
        (output / f"{name}.json").write_text(json.dumps(written, indent=2), encoding="utf-8")
    Console().print(table)
    print(f"{(time.monotonic() - begun_s) / 60:.1f} minutes", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench", description=(__doc__ or "").strip())
    parser.add_argument(
        "part",
        nargs="*",
        metavar="PART",
        help=f"default: all of {', '.join(PARTS)}; only where named: {', '.join(MORE)}",
    )
    wanted = parser.parse_args().part
    if unknown := set(wanted) - {*PARTS, *MORE}:
        parser.error(f"no part {', '.join(sorted(unknown))}; --help lists them")
    sys.exit(main(wanted))
