"""The node peer: npm's ocpp-rpc in a process of its own, installed where there is an npm."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from bench.ocpp_servers import Child

PACKAGE = "ocpp-rpc@2.2.1"
INSTALL_LIMIT_S = 180
_SCRIPT = Path(__file__).with_suffix(".js")


class NoNodeError(Exception):
    """There is no such peer here. The text has the reason."""


def node_peer(folder: Path) -> Child:
    """Install the package into a folder and start its server. Raises NoNode."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        raise NoNodeError("node and npm are not installed")
    try:
        subprocess.run(
            [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, PACKAGE],
            check=True,
            capture_output=True,
            timeout=INSTALL_LIMIT_S,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise NoNodeError(f"npm could not install {PACKAGE} ({type(error).__name__})") from None
    script = folder / _SCRIPT.name
    script.write_text(_SCRIPT.read_text(encoding="utf-8"), encoding="utf-8")
    return Child("node", command=[node, str(script)])
