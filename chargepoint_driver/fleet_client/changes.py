"""Stations of a fleet's account with news, as they come."""

from __future__ import annotations

from collections.abc import Callable

from chargepoint_driver.errors import ChargePointError
from chargepoint_driver.fleet_client.fleet_account import FleetAccount
from chargepoint_driver.process import threads
from chargepoint_driver.rate_limited_log import RateLimitedLog
from chargepoint_driver.text import get_logger

__all__ = ["Changes"]

_log = get_logger(__name__)

_WAIT_S = 25.0
_FIRST_RETRY_S = 0.5
_MAX_RETRY_S = 10.0


class Changes:
    """Asks a node for news again and again, on a thread or greenlet of its own."""

    def __init__(
        self, account: FleetAccount, on_change: Callable[[list[str] | None], None]
    ) -> None:
        """`on_change` gets the ids of stations with news. None: any may have news; at the start,
        and where some were lost."""
        self._account = account
        self._on_change = on_change
        self._stopping = threads.Event()
        self._lines = RateLimitedLog(_log)
        self._thread = threads.Thread(target=self._run, name="fleet changes", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Tell nothing any more. A question that is out ends within its limit."""
        self._stopping.set()

    def _run(self) -> None:
        after: str | None = None
        retry_s = _FIRST_RETRY_S
        while not self._stopping.is_set():
            try:
                answer = self._account.changes(after, _WAIT_S)
            except ChargePointError as error:
                if self._stopping.is_set():
                    return
                self._lines.warning(
                    "fleet changes", name=self._account.config.account, reason=str(error)
                )
                self._stopping.wait(retry_s)
                retry_s = min(2 * retry_s, _MAX_RETRY_S)
                continue
            retry_s = _FIRST_RETRY_S
            # What came before the first answer is not known either.
            is_lost = after is None or not answer.get("is_complete")
            after = answer["after"]
            if self._stopping.is_set():
                return
            try:
                if is_lost:
                    self._on_change(None)
                elif answer["stations"]:
                    self._on_change([str(each) for each in answer["stations"]])
            except Exception:  # noqa: BLE001 - logged; the next news may be taken
                _log.exception("news of the fleet were not taken")
