"""The few things of classic VOLTTRON that a driver touches, as its documentation has them."""

from __future__ import annotations

import sys
import types
from typing import Any


class DriverInterfaceError(Exception):
    pass


class BaseRegister:
    def __init__(
        self, register_type: str, read_only: bool, name: str, units: str, description: str = ""
    ) -> None:
        self.register_type = register_type
        self.read_only = read_only
        self.point_name = name
        self.units = units
        self.description = description
        self.python_type: type = int


class BaseInterface:
    def __init__(self, vip: Any = None, core: Any = None, **kwargs: Any) -> None:
        self.vip, self.core = vip, core
        self.point_map: dict[str, BaseRegister] = {}

    def insert_register(self, register: BaseRegister) -> None:
        self.point_map[register.point_name] = register

    def get_register_by_name(self, name: str) -> BaseRegister:
        try:
            return self.point_map[name]
        except KeyError:
            raise DriverInterfaceError("Point not configured on device: " + name) from None


def install() -> None:
    """Have `from platform_driver.interfaces import …` find these."""
    module = types.ModuleType("platform_driver.interfaces")
    for each in (DriverInterfaceError, BaseRegister, BaseInterface):
        setattr(module, each.__name__, each)
    sys.modules.setdefault("platform_driver.interfaces", module)
