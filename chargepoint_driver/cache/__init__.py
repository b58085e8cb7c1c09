"""Few calls for many readers. Nothing here knows SOAP, OCPP or VOLTTRON.

`shared` is what readers ask and keeps records with their times, `flight` lets readers share a
fetch, `plan` joins stations into the fewest requests, `gate` says when a request may go out and
`backoff` holds calls back that fail, `groups` knows which station is in which group, `disk` keeps
what hardly ever changes.
"""

from chargepoint_driver.cache.cache import Key, Outcome, SharedCache

__all__ = ["Key", "Outcome", "SharedCache"]
