"""The driver interface on a stub of its host, with the devices of a simulated site."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from types import SimpleNamespace
from typing import Any

from bench.site import Site
from chargepoint_driver.adapters.driver_interface import (
    ChargePointInterface,
    ChargePointRemoteConfig,
)
from chargepoint_driver.adapters.register import ChargePointPointConfig

# Files that the interface keeps go where the host says.
os.environ["VOLTTRON_HOME"] = tempfile.mkdtemp()
atexit.register(shutil.rmtree, os.environ["VOLTTRON_HOME"], ignore_errors=True)


class _Core:
    """What the interface touches of the host's core."""

    identity = "bench"
    onstop = SimpleNamespace(connect=lambda *_: None)


def interface(
    here: Site, rows: list[tuple[int, dict[str, str]]]
) -> tuple[ChargePointInterface, list[str]]:
    """(the interface with one device per station, every topic). Values stay current for ever."""
    tree = SimpleNamespace(
        get_node=lambda topic: SimpleNamespace(
            identifier=topic, config=SimpleNamespace(group="bench")
        ),
        get_polling_interval=lambda _: 60.0,
        agent=SimpleNamespace(config=None),
    )
    driver: Any = None
    topics = []
    for station in here.stations:
        config = ChargePointRemoteConfig(
            driver_type="chargepoint",
            username=here.simulator.username,
            password=here.simulator.password,
            endpoint=here.simulator.soap_url,
            stationID=station,
            cacheExpiration=1e9,
        )
        if driver is None:
            agent = SimpleNamespace(equipment_model=tree, vip=None, core=_Core())
            driver = ChargePointInterface(config, agent)
        for row in driver.prepare_registry_config([row for _, row in rows], config):
            register = driver.create_register(ChargePointPointConfig(**row))
            topic = f"devices/site/{station}"
            driver.insert_register(register, topic)
            topics.append(f"{topic}/{register.point_name}")
    return driver, topics
