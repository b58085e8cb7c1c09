"""OCPP 2.0.1 as a charging station speaks it."""

from __future__ import annotations

from .point import ChargePoint201

__all__ = ["ChargePoint201"]
