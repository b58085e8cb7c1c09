"""The fewest requests for the stations wanted of one call. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Set

from chargepoint_driver.backend import Request
from chargepoint_driver.catalogue import Batch, Call

__all__ = ["plan"]


def plan(
    call: Call,
    stations: Collection[str],
    groups: Mapping[str, Set[str]],
    account_pages: int = 1,
) -> list[Request]:
    """Requests that together cover every wanted station, each station once or more.

    `groups` are the members of the groups that may be used, `account_pages` is what a request
    for the whole account last cost.
    """
    wanted = sorted(set(stations))
    if call.batch is Batch.LIST:
        return [
            Request(call.name, tuple(wanted[start : start + call.most]))
            for start in range(0, len(wanted), call.most)
        ]
    if call.batch is Batch.GROUP:
        chosen, left = _cover(set(wanted), groups)
        return [Request(call.name, group=group) for group in chosen] + _each(call, left)
    if len(wanted) > account_pages:
        return [Request(call.name)]
    return _each(call, wanted)


def _each(call: Call, stations: Collection[str]) -> list[Request]:
    return [Request(call.name, (station,)) for station in stations]


def _cover(wanted: set[str], groups: Mapping[str, Set[str]]) -> tuple[list[str], list[str]]:
    """Groups that each save at least one request, most useful first, and what they leave.

    Of two that cover the same, the smaller group: it brings less that nobody asked for.
    """
    left = set(wanted)
    chosen = []
    useful = {group: members & left for group, members in groups.items()}
    while left and useful:
        best = max(sorted(useful), key=lambda group: (len(useful[group]), -len(groups[group])))
        if len(useful[best]) < 2:
            break
        chosen.append(best)
        left -= useful.pop(best)
        useful = {group: rest for group, members in useful.items() if (rest := members & left)}
    return chosen, sorted(left)
