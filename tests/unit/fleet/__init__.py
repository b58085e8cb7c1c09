"""Tests of chargepoint_driver.fleet: real PostgreSQL, a simulator over sockets."""
