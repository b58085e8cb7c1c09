"""Behaviour of classic VOLTTRON, 8 and 9, that a user may not expect of a config."""

from __future__ import annotations

from chargepoint_driver.cli.support.config_files import DeviceFile
from chargepoint_driver.registry import Registry
from chargepoint_driver.registry import columns as col

__all__ = ["of_device", "of_registry"]


def of_device(device: DeviceFile) -> tuple[list[str], list[str]]:
    """Return (faults, warnings) of a device config. Its points are published on `/all` there
    without further keys, and a heart beat is the bare name of a point."""
    path, content = device.path, device.content
    faults: list[str] = []
    warnings: list[str] = []
    own = content.get("driver_config", content.get("remote_config")) or {}
    if own.get("cache_agent"):
        faults.append(
            f"{path}: driver_config: cache_agent: the caching agent needs modular VOLTTRON; "
            "remove it"
        )
    if device.heart_beat:
        warnings.append(
            f"{path}: heart_beat_point: the service has none, and the host logs a warning at each "
            "beat; leave it out"
        )
    if str(content.get("publish_depth_first_all", True)).lower() in ("false", "0"):
        warnings.append(
            f"{path}: publish_depth_first_all: false, so that historians store nothing; leave it "
            "out"
        )
    if "on_delete" in own:
        warnings.append(
            f"{path}: driver_config: on_delete: the host does not tell of deleted devices; write "
            "shedState 0 before one is deleted"
        )
    return faults, warnings


def of_registry(device: DeviceFile, registry: Registry) -> list[str]:
    """Return warnings of a device's registry: each device is polled at one interval there."""
    given = [name for name, row in registry.rows.items() if row.get(col.SCRAPE_INTERVAL)]
    if not given:
        return []
    return [
        f"{device.path}: {col.SCRAPE_INTERVAL}: not used by classic VOLTTRON, as of {given[0]}; "
        "the interval of the device counts, and Currency spares calls"
    ]
