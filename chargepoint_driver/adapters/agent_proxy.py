"""The account of a device behind the caching agent: the same promises as `Service`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gevent
from volttron.client.vip.agent.errors import VIPError
from volttron.utils.jsonrpc import Error, RemoteError

from chargepoint_driver.adapters.host.presence import Presence
from chargepoint_driver.adapters.host.refusals import is_refusal, refusal
from chargepoint_driver.backend import OPERATIONS, Target
from chargepoint_driver.errors import (
    ChargePointError,
    ConfigurationError,
    InvalidValueError,
    OutcomeUnknownError,
    TransientError,
    error_from_dict,
)
from chargepoint_driver.records import Value
from chargepoint_driver.registry import Point
from chargepoint_driver.service import READ_TIMEOUTS, Reading, ShedOptions, describe, write_words

__all__ = ["Proxy"]

_MARGIN_S = 5.0


class Proxy:
    """`service.Stations` over RPC. Keeps nothing: an agent that comes back is used at once."""

    def __init__(
        self, vip: Any, agent: str, account: str | None, timeout_s: float, identity: str = ""
    ) -> None:
        """`vip` and `identity` are the calling agent's, `agent` is the caching agent's identity."""
        self._vip = vip
        self._presence = Presence(vip, agent)
        self._identity = identity
        self._agent = agent
        self._account = account
        self._limit_s = READ_TIMEOUTS * timeout_s + _MARGIN_S

    def read(self, points: Mapping[str, Point]) -> Reading:
        """Return the values of points; when the agent does not answer, its error stands for
        each."""
        described = {name: describe(point) for name, point in points.items()}
        try:
            answer = self._call("read", TransientError, described, self._account)
            values = dict(answer["values"])
            errors = {name: error_from_dict(fields) for name, fields in answer["errors"].items()}
            for name in points.keys() - values.keys() - errors.keys():
                errors[name] = ChargePointError(f"the caching agent {self._agent} left it out")
            return Reading(values, errors, answer["ages_s"])
        except ChargePointError as error:
            return Reading(errors=dict.fromkeys(points, error))
        except (AttributeError, KeyError, TypeError, ValueError):
            other = self._no_such_agent("its answer is not a reading")
            return Reading(errors=dict.fromkeys(points, other))

    def write(self, point: Point, value: object, options: ShedOptions) -> Value:
        """Carry out a write; what is reported then. Raises OutcomeUnknownError when the agent took
        the write and did not answer."""
        if not point.writable:
            # Only the row of this driver has it; the agent knows only what the attribute allows.
            raise InvalidValueError(f"{point.name} ({point.attribute.name}) can only be read")
        return self._call(  # type: ignore[no-any-return]
            "write",
            OutcomeUnknownError,
            describe(point),
            value,
            self._account,
            **write_words(options),
        )

    def release(self, point: Point, on_delete: str) -> bool:
        """The device of the point's target was deleted; True when it limited something."""
        return bool(
            self._call("release", OutcomeUnknownError, describe(point), self._account, on_delete)
        )

    def revert(self, point: Point, writer: str = "") -> bool:
        """Take back what was done to the point's target; True when a command was sent.
        `writer`: who reverts, for the agent's audit."""
        who = {"writer": writer} if writer else {}
        return bool(
            self._call("revert", OutcomeUnknownError, describe(point), self._account, **who)
        )

    def command(self, target: Target, name: str, value: object) -> str:
        """Carry out a command of the CommandRegister; the charger's answer."""
        return str(
            self._call(
                "command",
                OutcomeUnknownError,
                name,
                target.station_id,
                target.port,
                value,
                self._account,
            )
        )

    def call(
        self, station_id: str, action: str, payload: Mapping[str, Any], timeout_s: float
    ) -> dict[str, Any]:
        """Send any request of OCPP. Returns the payload of the answer."""
        return dict(
            self._call(
                "call",
                OutcomeUnknownError,
                station_id,
                action,
                dict(payload),
                self._account,
                timeout_s,
            )
        )

    def operate(self, station_id: str, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out one of `backend.OPERATIONS`: the agent has a method for each."""
        if name not in OPERATIONS:
            raise InvalidValueError(
                f"no operation {name!r}; expected one of {', '.join(OPERATIONS)}"
            )
        return dict(
            self._call(name, OutcomeUnknownError, station_id, account=self._account, **arguments)
        )

    def _call(
        self, method: str, late: type[ChargePointError], *arguments: Any, **options: Any
    ) -> Any:
        """Call a method. `late` is the error when the agent took the call and does not answer.
        One that is away costs less than a second; of a write nothing is sent then."""
        name = f"{self._agent}.{method}"
        try:
            if issubclass(late, OutcomeUnknownError):
                self._presence.require_response()
            else:
                self._presence.require_listed()
            asked = self._vip.rpc.call(self._agent, method, *arguments, **options)
            return self._presence.answer(
                asked, self._limit_s, lambda why: late(f"{why} ({method})")
            )
        except RemoteError as error:
            if is_refusal(error):
                raise refusal(self._identity, name, error.message) from None
            raise _of_remote(error, self._agent) from None
        except gevent.Timeout as error:
            raise late(
                f"the caching agent {self._agent}: {method} was broken off ({error})"
            ) from None
        except VIPError as error:
            # The bus has no such peer, or lost it.
            raise TransientError(
                f"the caching agent {self._agent} is not reachable ({type(error).__name__}); "
                "start it, or correct cache_agent"
            ) from None
        except Error as error:
            raise self._no_such_agent(str(error)) from None

    def _no_such_agent(self, why: str) -> ChargePointError:
        return ConfigurationError(
            f"{self._agent} is not a compatible caching agent ({why}); correct cache_agent"
        )


def _of_remote(error: RemoteError, agent: str) -> ChargePointError:
    """Return the error that the agent raised: its arguments are message, code, the service's
    code."""
    arguments = list(error.exc_info.get("exc_args") or [])
    if len(arguments) == 3:
        message, code, service_code = arguments
        return error_from_dict({"message": message, "code": code, "service_code": service_code})
    return ChargePointError(f"the caching agent {agent} failed: {error}")
