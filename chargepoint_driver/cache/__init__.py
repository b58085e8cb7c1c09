"""Few calls for many readers. Nothing here knows SOAP, OCPP or VOLTTRON.

`shared` is what readers ask, `store` keeps records with their times, `flight` lets readers
share a fetch, `plan` joins stations into the fewest requests, `backoff` holds calls back that
fail, `groups` knows which station is in which group.
"""

from chargepoint_driver.cache.shared import Key, Outcome, SharedCache

__all__ = ["Key", "Outcome", "SharedCache"]
