"""The platform driver finds the interface by its type alone."""

from __future__ import annotations

import importlib
from pathlib import Path

from volttron.driver.base.dynamic_helper import get_module, get_subclasses
from volttron.driver.base.interfaces import BaseInterface

NAME = "volttron.driver.interfaces.chargepoint.chargepoint"
ROOT = Path(__file__).parents[3]


def test_a_plain_import() -> None:
    module = importlib.import_module(NAME)
    assert module.ChargePointInterface.__name__ == "ChargePointInterface"


def test_the_host_finds_exactly_one_class() -> None:
    (found,) = get_subclasses(get_module(NAME), BaseInterface)
    assert BaseInterface.get_interface_subclass("chargepoint") is found
    # The host sorts by name and takes the first class with this base.
    assert found.__bases__ == (BaseInterface,)
    assert not found.__abstractmethods__


def test_the_folders_are_shared_with_volttron() -> None:
    for folder in ("volttron", "volttron/driver", "volttron/driver/interfaces"):
        assert not (ROOT / folder / "__init__.py").exists()
    importlib.import_module("volttron.driver.base.interfaces")
