"""What `make attack` floods: the page and central system of `chargepoint-driver web`, with a shed.

`python -m tests.system.attacks.host CONFIG STATION PORT` sheds for a minute, which is renewed every
half of it. The command itself asks for a quarter of an hour; too long for an attack to wait.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

from chargepoint_driver.cli.support.serving import serving
from chargepoint_driver.web import Settings, WebServer


def main(config: str, station: str, port: str) -> None:
    logging.basicConfig(format="%(levelname)s %(message)s", level=logging.ERROR)
    content = json.loads(Path(config).read_text(encoding="utf-8"))
    with serving(None, 0, logging.WARNING) as signals:
        server = WebServer(content, Settings.of("127.0.0.1:0")).start()
        try:
            server._accounts.write(
                {
                    "attribute": "allowedLoad",
                    "register": "LoadRegister",
                    "station": station,
                    "port": int(port),
                },
                2.0,
                "garage",
                shed_on_write=True,
                shed_duration=1,
            )
            print(json.dumps({"url": server.url}), flush=True)
            signals.wait()
        finally:
            server.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
