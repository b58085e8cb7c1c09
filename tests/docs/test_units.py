"""The systemd units: what they run is there, and systemd takes them."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from chargepoint_driver.config.fleet import NodeConfig

from .blocks import ROOT, blocks_of, pages

UNITS = sorted((ROOT / "chargepoint_driver" / "examples").rglob("*.service"))


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_systemd_takes_them(unit: Path, tmp_path: Path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze")
    # It looks for the programs and the user, which are not those of this machine.
    for name in UNITS:
        text = name.read_text(encoding="utf-8").replace("/opt/volttron/bin/", "/bin/true ")
        text = text.replace("/bin/true volttron --dev", "/bin/true --dev")
        text = re.sub(r"^(User|Group)=volttron$", r"\1=root", text, flags=re.MULTILINE)
        (tmp_path / name.name.replace("@.", "@platform.driver.")).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", tmp_path / unit.name.replace("@.", "@platform.driver.")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = [line for line in done.stderr.splitlines() if str(tmp_path) in line]
    assert said == []
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_secrets_are_not_in_them_and_they_are_ended_politely(unit: Path):
    text = unit.read_text(encoding="utf-8")
    assert not re.search(r"^Environment=.*(PASSWORD|TOKEN)", text, re.MULTILINE)
    assert re.search(r"^KillSignal=SIG(INT|TERM)$", text, re.MULTILINE)
    assert re.search(r"^NoNewPrivileges=true$", text, re.MULTILINE)


def test_a_node_finds_what_its_unit_gives_it():
    folder = ROOT / "chargepoint_driver" / "examples" / "fleet"
    unit = (folder / "chargepoint-node@.service").read_text(encoding="utf-8")
    text = (folder / "node-1.json").read_text(encoding="utf-8")
    given = re.findall(r"^LoadCredential=([^:]+):/etc/chargepoint/\1$", unit, re.MULTILINE)
    used = re.findall(r'"/run/credentials/chargepoint-node@node-1.service/([^"]+)"', text)
    assert sorted(given) == sorted(used)
    (state,) = re.findall(r"^StateDirectory=(.*)$", unit, re.MULTILINE)
    assert f'"/var/lib/{state.replace("%i", "node-1")}/local.sqlite"' in text
    # Longer than the sockets take to close.
    (limit_s,) = re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
    default = NodeConfig.model_fields["drain_s"].default
    assert int(limit_s) >= default + 20


def test_modules_that_the_guide_runs_as_agents_can_be_run():
    modules = {
        found[1]
        for path in pages()
        for block in blocks_of(path)
        if block.labels.get("load") == "agent-env"
        and (found := re.search(r"^AGENT_MODULE=(\S+)$", block.text, re.MULTILINE))
    }
    assert modules
    if importlib.util.find_spec("platform_driver") is None:
        modules &= {"chargepoint_driver.adapters.agent"}
    # Looked for without being imported: the host's modules patch the standard library.
    assert [name for name in modules if not _is_there(name)] == []


def _is_there(module: str) -> bool:
    package, _, name = module.rpartition(".")
    spec = importlib.util.find_spec(package.split(".")[0])
    assert spec is not None
    folders = [Path(place) for place in spec.submodule_search_locations or ()]
    inner = [*package.split(".")[1:], f"{name}.py"]
    return any(folder.joinpath(*inner).is_file() for folder in folders)


def test_every_agent_has_a_working_folder_of_its_own():
    """Historians keep backup.sqlite in the folder that they run in."""
    text = (
        ROOT / "chargepoint_driver" / "examples" / "systemd" / "volttron-agent@.service"
    ).read_text(encoding="utf-8")
    (folder,) = re.findall(r"^WorkingDirectory=(.*)$", text, re.MULTILINE)
    assert folder.endswith("/%i")
    assert f"StateDirectory={folder.removeprefix('/var/lib/')}" in text
