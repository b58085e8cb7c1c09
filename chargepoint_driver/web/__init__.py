"""Web page and JSON API for people and scripts outside VOLTTRON, over the accounts of the caching
agent's configuration.

`server` starts and stops all of it; `settings` has address, TLS and token. `dashboard` keeps what
is shown, with an `account_poller` for each account; `aggregates` has totals, `points` the points
that are read. `commands` writes. `schemas` and `routes` describe the API, `openapi` makes its
document, `api` answers, `stream` sends changes. `store` keeps load over time and alarms in
SQLite. `login` checks keys and cookies; `static_files` and `texts` serve the page. The page is in
`page/`: modules without a build step, one file of texts per language, and uPlot for charts.
"""

from chargepoint_driver.web.server import WebServer
from chargepoint_driver.web.settings import TOKEN, Settings

__all__ = ["TOKEN", "Settings", "WebServer"]
