"""Store of the page: load over time, alarms with their notes.

`database` opens the SQLite file and brings its tables up to date. `samples` keeps and reads load,
limit, capacity and headroom over time; `historian` reads the same from a historian of the platform;
`incidents` keeps alarms and maintenance, `audit` the commands and who sent them.
"""

from chargepoint_driver.web.store.database import Database

__all__ = ["Database"]
