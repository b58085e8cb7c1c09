"""haproxy with the shipped config in front of nodes."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import chargepoint_driver
from tests.unit.events.engines import Engine, missing, running

from .nodes import NodeProcess

__all__ = ["CONFIG", "haproxy", "haproxy_binary"]

CONFIG = Path(chargepoint_driver.__file__).parent / "examples" / "fleet" / "haproxy.cfg"


def haproxy_binary() -> str:
    """Return where it is; skip the test where it is not."""
    found = shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    return found or str(missing("haproxy"))


@contextmanager
def haproxy(nodes: Sequence[NodeProcess], folder: Path) -> Iterator[Engine]:
    """Run the shipped config, with the ports of these nodes."""
    binary = haproxy_binary()

    def command(port: int) -> list[str]:
        text = re.sub(r"bind :\d+", f"bind 127.0.0.1:{port}", CONFIG.read_text())
        # This process may open fewer files than the shipped number needs.
        text = text.replace("maxconn 20000", "maxconn 200")
        servers = "".join(
            f"    server {each.name} {urlsplit(each.url).netloc} port "
            f"{urlsplit(each.health_url).port}\n"
            for each in nodes
        )
        text, count = re.subn(r"(?m)(^    server .*\n)+", servers, text)
        assert count == 1
        file = folder / "haproxy.cfg"
        file.write_text(text)
        return [binary, "-db", "-f", str(file)]

    with running(command, folder / "haproxy.log") as engine:
        yield engine
