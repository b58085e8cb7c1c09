from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone

import pytest
import responses

from chargepoint_driver.backends.soap import SoapBackend
from chargepoint_driver.config import AccountConfig

from .service import URL, Service

NOW = datetime(2026, 5, 2, 12, 0, 30, 250_000, timezone.utc)


@pytest.fixture
def account() -> AccountConfig:
    return AccountConfig(username="fleet-account", password="s3cr3t-<&>-phrase", endpoint=URL)


@pytest.fixture
def service() -> Iterator[Service]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield Service(mock)


@pytest.fixture
def backend(service: Service, account: AccountConfig) -> Iterator[SoapBackend]:
    backend = SoapBackend(account, now=lambda: NOW)
    yield backend
    backend.close()
