"""What runs in one process needs nothing of the fleet: no package, no module of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

OF_FLEET = (
    "asyncpg",
    "nats",
    "chargepoint_driver.fleet.",
    "chargepoint_driver.backends.ocpp.postgres.",
)

# A central system that a charger connects to, and an account of ChargePoint.
EMBEDDED = """
import sys
from pathlib import Path
from chargepoint_driver.backends.ocpp import CentralSystem, OcppConfig
from chargepoint_driver.config import AgentConfig
from chargepoint_driver.service import Accounts
import chargepoint_driver.cli.main
from websockets.sync.client import connect

folder = Path(sys.argv[1])
system = CentralSystem(OcppConfig.from_dict(
    {"listen": "127.0.0.1:0", "database": folder / "ocpp.db"}))
system.start(control="127.0.0.1:0", token="t" * 16)
with connect(f"{system.ocpp_url}/CP1", subprotocols=["ocpp1.6"], proxy=None) as charger:
    charger.send('[2, "1", "Heartbeat", {}]')
    charger.recv(30)
system.stop()
accounts = Accounts()
accounts.configure({"accounts": {"campus": {"username": "u", "password_env": "P"},
    "depot": {"backend": "ocpp", "listen": "127.0.0.1:0", "database": str(folder / "two.db")}}})
accounts.close()
print(*sys.modules, sep="\\n")
"""
CLIENT = """
import sys
from chargepoint_driver.fleet_client import FleetAccount, FleetStations
from chargepoint_driver.config import FleetAccountConfig
print(*sys.modules, sep="\\n")
"""


@pytest.mark.parametrize("code", [EMBEDDED, CLIENT], ids=["embedded", "client of a fleet"])
def test_no_module_of_the_fleet_is_imported(code: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        check=False, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    modules = done.stdout.split()
    assert "chargepoint_driver.service" in modules
    assert [each for each in modules if f"{each}.".startswith(OF_FLEET)] == []
