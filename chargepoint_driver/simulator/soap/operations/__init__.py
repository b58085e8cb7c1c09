"""The operations of the service: name -> the function that answers it.

An operation takes a `Call` and returns its response element; it raises `Refusal` for
a response code without data and `SoapFault` for a request the schema forbids. The
world is locked and belongs to the call for as long as it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..call import Call
from ..reply import Element
from .alarms import clear_alarms, get_alarms
from .events import create_load_shed_event, remove_load_shed_event
from .groups import get_orgs_and_station_groups, get_station_groups, get_station_rights
from .load import get_load
from .sessions import get_15min_charging_session_data, get_charging_session_data
from .sheds import clear_shed_state, shed_load
from .stations import get_station_status, get_stations
from .transactions import get_transaction_data

OPERATIONS: Mapping[str, Callable[[Call], Element]] = {
    "clearAlarms": clear_alarms,
    "clearShedState": clear_shed_state,
    "createLoadShedEvent": create_load_shed_event,
    "get15minChargingSessionData": get_15min_charging_session_data,
    "getAlarms": get_alarms,
    "getChargingSessionData": get_charging_session_data,
    "getLoad": get_load,
    "getOrgsAndStationGroups": get_orgs_and_station_groups,
    "getStationGroups": get_station_groups,
    "getStationRights": get_station_rights,
    "getStationStatus": get_station_status,
    "getStations": get_stations,
    "getTransactionData": get_transaction_data,
    "removeLoadShedEvent": remove_load_shed_event,
    "shedLoad": shed_load,
}

COMMANDS = frozenset(
    {"clearAlarms", "clearShedState", "createLoadShedEvent", "removeLoadShedEvent", "shedLoad"}
)
"""Operations that change something; the world keeps a record of each."""
