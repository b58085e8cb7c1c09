"""Few calls for many readers. Nothing here knows SOAP, OCPP or VOLTTRON.

`cache` answers readers and keeps records with their times. `single_flight` lets readers share a
fetch. `batching` joins stations into the fewest requests. `circuit_breaker` holds back calls that
fail. `station_groups` knows which station is in which group. `file_store` keeps what hardly ever
changes. `direct` reads backends that answer from memory.
"""

from chargepoint_driver.cache.cache import Key, Outcome, SharedCache
from chargepoint_driver.cache.direct import DirectCache

__all__ = ["DirectCache", "Key", "Outcome", "SharedCache"]
