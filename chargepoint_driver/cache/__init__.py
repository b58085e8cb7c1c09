"""Cache of records: few calls for many readers. Nothing here knows SOAP, OCPP or VOLTTRON.

`cache` answers readers. `record_table` keeps records with their times. `single_flight` lets readers
share a fetch. `batching` joins stations into the fewest requests. `circuit_breaker` holds back
calls that fail. `station_groups` knows which station is in which group. `file_store` keeps what
hardly ever changes. `direct` reads backends that answer from memory.
"""

from chargepoint_driver.cache.cache import SharedCache
from chargepoint_driver.cache.direct import DirectCache
from chargepoint_driver.cache.record_table import Key, Outcome

__all__ = ["DirectCache", "Key", "Outcome", "SharedCache"]
