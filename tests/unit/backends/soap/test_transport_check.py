"""A check right before a call is sent."""

from __future__ import annotations

import pytest

from chargepoint_driver.backend import Limit, Request, Target
from chargepoint_driver.backends.soap import SoapBackend
from chargepoint_driver.config import AccountConfig
from chargepoint_driver.errors import TransientError
from chargepoint_driver.simulator import Simulator


def test_nothing_is_sent_where_the_check_refuses() -> None:
    refusals: list[str] = []

    def check() -> None:
        if refusals:
            raise TransientError(refusals[0])

    with Simulator() as sim:
        account = AccountConfig(
            username=sim.username, password=sim.password, endpoint=sim.soap_url, timeout=5
        )
        backend = SoapBackend(account, check=check)
        request = Request("getLoad", ("1:34001",))
        assert backend.fetch(request).records
        refusals.append("not now")
        for send in (
            lambda: backend.fetch(request),
            lambda: backend.shed(Target("1:34001"), Limit(allowed_load_kw=3.0), 60),
        ):
            with pytest.raises(TransientError, match="not now"):
                send()
        assert sim.calls.counts() == {"getLoad": 1}
        refusals.clear()
        backend.shed(Target("1:34001"), Limit(allowed_load_kw=3.0), 60)
        assert backend.fetch(request).records
        assert sim.calls.counts() == {"getLoad": 2, "shedLoad": 1}
        backend.close()
