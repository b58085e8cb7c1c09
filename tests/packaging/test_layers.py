"""The structure: layers, public names, and what a plain install brings."""

from __future__ import annotations

import configparser
import importlib
import importlib.metadata
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "chargepoint_driver"
NAMESPACES = ("volttron", "volttron/driver", "volttron/driver/interfaces")
BUILD = "from setuptools import setup; setup()"
INTERFACE = "volttron/driver/interfaces/chargepoint"

PUBLIC = {
    "backend": [
        "OPERATIONS",
        "Backend",
        "CountingBackend",
        "DirectBackend",
        "Limit",
        "MessageBackend",
        "OutcomeBackend",
        "Reply",
        "Request",
        "RequestBackend",
        "SessionBackend",
        "ShedEvents",
        "StreamingBackend",
        "Stubborn",
        "Target",
        "UsageBackend",
    ],
    "backends.soap": ["SoapBackend"],
    "billing": [
        "BilledSession",
        "Bills",
        "Cost",
        "Page",
        "Report",
        "SessionFilter",
        "SessionSource",
        "Sums",
    ],
    "catalogue": [
        "CHARGEPOINT",
        "OCPP",
        "TABLES",
        "Attribute",
        "Batch",
        "Call",
        "Catalogue",
        "Data",
        "Kind",
        "Scope",
        "StationValue",
    ],
    "cli": ["main"],
    "config": [
        "HOST_KEYS",
        "Account",
        "AccountConfig",
        "AgentAccount",
        "AgentAccountConfig",
        "AgentConfig",
        "BillingConfig",
        "Device",
        "DeviceConfig",
        "FleetAccountConfig",
        "FleetDevice",
        "OcppAccount",
        "OcppDevice",
        "PricePeriod",
        "ShedSettings",
        "TariffConfig",
        "WebConfig",
        "read_device",
    ],
    "errors": [
        "AuthenticationError",
        "ChargePointError",
        "ConfigurationError",
        "FencedError",
        "InvalidReplyError",
        "InvalidValueError",
        "NotFoundError",
        "OutcomeUnknownError",
        "PermissionDeniedError",
        "RefusedError",
        "StoreError",
        "TransientError",
        "WriteRejectedError",
        "error_from_dict",
    ],
    "registry": [
        "OF_STATION",
        "Finding",
        "Point",
        "Registry",
        "RegistryFile",
        "Selection",
        "build",
        "read_csv",
        "read_file",
    ],
    "records": [
        "DAMAGED",
        "EnergyReading",
        "Event",
        "SessionQuery",
        "SessionRecord",
        "StationRecord",
        "Unreadable",
        "Value",
        "Values",
        "newest_by_port",
    ],
}
ALSO_LISTED = ("cache", "http_server", "service", "simulator", "web")


def test_imports_point_down():
    # In a process of its own: it switches the loggers of its process off.
    program = "from importlinter.cli import lint_imports; import sys; sys.exit(lint_imports())"
    found = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert found.returncode == 0, found.stdout


def test_each_package_has_a_layer():
    config = configparser.ConfigParser(interpolation=None)
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    listed = re.findall(
        r"chargepoint_driver\.(\w+)", config["importlinter:contract:layers"]["layers"]
    )
    found = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    # The samples are data; a contract of their own keeps the package from importing them.
    assert sorted(listed) == sorted(found - {"__init__", "__pycache__", "examples"})


@pytest.mark.parametrize("name", [*PUBLIC, *ALSO_LISTED])
def test_public_names_exist_and_are_sorted(name):
    module = importlib.import_module(f"chargepoint_driver.{name}")
    # Constants, classes, functions: each sorted, as the linter sorts them.
    kinds = [(not item.isupper(), item[0].islower(), item) for item in module.__all__]
    assert kinds == sorted(kinds)
    assert [item for item in module.__all__ if not hasattr(module, item)] == []


@pytest.mark.parametrize(("name", "wanted"), PUBLIC.items())
def test_public_names_are_these(name, wanted):
    module = importlib.import_module(f"chargepoint_driver.{name}")
    assert list(module.__all__) == wanted


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> set[str]:
    """Names of what setuptools puts into a wheel of a copy of this tree. The wheel itself is
    not packed: that takes a package that not every environment has."""
    tree = tmp_path_factory.mktemp("wheel")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    for name in ("chargepoint_driver", "volttron"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    # Another package must not get in.
    (tree / "tests").mkdir()
    (tree / "tests" / "__init__.py").touch()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", BUILD, "build", "--build-lib", "wheel"],
        cwd=tree,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, (
        f"these tests need setuptools (64 or newer) in their environment\n{done.stderr[-2000:]}"
    )
    built = tree / "wheel"
    return {str(path.relative_to(built)) for path in built.rglob("*") if path.is_file()}


def test_the_wheel_holds_every_module(wheel):
    modules = {str(path.relative_to(ROOT)) for path in PACKAGE.rglob("*.py")}
    assert modules <= wheel


@pytest.mark.parametrize(
    "name",
    [
        "chargepoint_driver/backends/soap/chargepoint.wsdl",
        "chargepoint_driver/py.typed",
        "chargepoint_driver/web/page/app.js",
        "chargepoint_driver/web/page/index.html",
        "chargepoint_driver/web/page/style.css",
        "chargepoint_driver/web/page/texts/de.json",
        "chargepoint_driver/web/page/texts/en.json",
        "chargepoint_driver/web/page/docs.html",
        "chargepoint_driver/web/page/vendor/swagger-ui/LICENSE.txt",
        "chargepoint_driver/web/page/vendor/swagger-ui/swagger-ui-bundle.js",
        "chargepoint_driver/web/page/vendor/uplot/LICENSE.txt",
        "chargepoint_driver/web/page/vendor/uplot/uPlot.esm.js",
        f"{INTERFACE}/chargepoint.py",
    ],
)
def test_the_wheel_holds(name, wheel):
    assert name in wheel


@pytest.mark.parametrize("folder", NAMESPACES)
def test_the_hosts_folders_stay_namespaces(folder, wheel):
    assert f"{folder}/__init__.py" not in wheel
    assert not (ROOT / folder / "__init__.py").exists()


def test_the_wheel_holds_nothing_else(wheel):
    assert {name.split("/", maxsplit=1)[0] for name in wheel} == {"chargepoint_driver", "volttron"}
    assert [name for name in wheel if name.startswith("volttron/")] == [
        f"{INTERFACE}/chargepoint.py"
    ]


def test_the_command_is_the_packages():
    (command,) = [
        entry
        for entry in importlib.metadata.entry_points(group="console_scripts")
        if entry.name == "chargepoint-driver"
    ]
    assert command.load() is importlib.import_module("chargepoint_driver.cli").main
