"""Client of accounts that nodes of a fleet hold, over HTTPS. It needs no extra.

`node_connections` asks one node after the other, `fleet_account` has the methods of an account,
`fleet_stations` its points, `changes` its news, and `accounts` joins them with accounts of this
process.
"""

from chargepoint_driver.fleet_client.accounts import ForwardingAccounts
from chargepoint_driver.fleet_client.changes import Changes
from chargepoint_driver.fleet_client.fleet_account import FleetAccount
from chargepoint_driver.fleet_client.fleet_stations import FleetStations

__all__ = ["Changes", "FleetAccount", "FleetStations", "ForwardingAccounts"]
