"""OCPP 1.6J as a charge point speaks it."""

from __future__ import annotations

from .point import ChargePoint16

__all__ = ["ChargePoint16"]
