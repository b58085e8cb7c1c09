"""Registry rows into points: every fault collected, nothing half done.

`columns` names the columns, `point` is what a row becomes, `selection` is points read together,
`rows` checks and completes rows, `files` reads CSV files.
"""

from chargepoint_driver.registry.files import RegistryFile, read_csv, read_file
from chargepoint_driver.registry.point import OF_STATION, Point
from chargepoint_driver.registry.row_checks import Finding
from chargepoint_driver.registry.rows import Registry, build
from chargepoint_driver.registry.selection import Selection

__all__ = [
    "OF_STATION",
    "Finding",
    "Point",
    "Registry",
    "RegistryFile",
    "Selection",
    "build",
    "read_csv",
    "read_file",
]
