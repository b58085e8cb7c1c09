"""Masks in place of idTags, keys and passwords."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["MASK", "mask_id_tags", "mask_secrets", "mask_settings", "masked"]

MASK = "***"
_ID_TAG = re.compile(r"id_?tag|idToken|serial.*rfid|evcc", re.IGNORECASE)
_PASSWORD = re.compile(r"passw|secret", re.IGNORECASE)
# Settings of chargers whose value is a secret, like AuthorizationKey.
_SECRET = re.compile(r"key|passw|secret", re.IGNORECASE)
_SECRET_SETTING = re.compile(r"authorizationkey|apikey|passw|secret", re.IGNORECASE)


def masked(data: Any) -> Any:
    """Return JSON data without idTags, keys and passwords."""
    return mask_secrets(mask_id_tags(data))


def mask_id_tags(data: Any) -> Any:
    """Return JSON data without idTags."""
    if isinstance(data, dict):
        return {
            name: MASK if _is_value(value) and _ID_TAG.search(name) else mask_id_tags(value)
            for name, value in data.items()
        }
    if isinstance(data, list):
        return [mask_id_tags(each) for each in data]
    return data


def mask_secrets(data: Any) -> Any:
    """Return JSON data without keys and passwords, also those in settings of chargers."""
    if isinstance(data, dict):
        setting = str(data.get("key", "")) + str(data.get("variable", ""))
        is_secret = _SECRET.search(setting) is not None
        return {
            name: MASK
            if _is_value(value) and (_PASSWORD.search(name) or (is_secret and "alue" in name))
            else mask_secrets(value)
            for name, value in data.items()
        }
    if isinstance(data, list):
        return [mask_secrets(each) for each in data]
    return data


def mask_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings of a charger, name to value, without keys and passwords. None stays None."""
    return {
        name: MASK if value is not None and _SECRET_SETTING.search(name) else value
        for name, value in settings.items()
    }


def _is_value(value: Any) -> bool:
    return isinstance(value, (str, int))
