"""A page and a JSON API for people and scripts beside VOLTTRON, over the accounts of the caching
agent's configuration.

`server` puts it together; `settings` is who may ask and where; `board` keeps what is shown, one
`watch` for each account, `sums` adds up, `fields` says which points; `orders` carries out;
`shapes` and `routes` are the API as tables, `openapi` its document, `api` its handlers, `stream`
what is sent without being asked for; `login` is the page's door. The page itself stands in
`page/`: three files of its own, no build step, nothing from elsewhere.
"""

from chargepoint_driver.web.server import WebServer
from chargepoint_driver.web.settings import TOKEN, Settings

__all__ = ["TOKEN", "Settings", "WebServer"]
