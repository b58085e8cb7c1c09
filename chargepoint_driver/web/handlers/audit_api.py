"""Handlers of the API about the audit log."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from concurrent.futures import Executor

from aiohttp import web

from chargepoint_driver.errors import InvalidValueError
from chargepoint_driver.http_server import json_answer
from chargepoint_driver.text import csv_text
from chargepoint_driver.web.access.access import Caller, caller_of
from chargepoint_driver.web.access.masking import MASK, mask_id_tags
from chargepoint_driver.web.api.audit_schemas import AuditEntries, AuditEntry
from chargepoint_driver.web.api.paging import MAX_LIMIT, cursor, limit_of, read_cursor
from chargepoint_driver.web.store.audit import Audit, Filters
from chargepoint_driver.web.times import moment

__all__ = ["AuditApi"]


class AuditApi:
    """Answers requests about the audit log; its methods are named after their routes."""

    def __init__(self, audit: Audit, executor: Executor) -> None:
        self._audit = audit
        self._executor = executor

    async def audit(self, request: web.Request) -> web.Response:
        query = request.query
        limit = limit_of(query) or MAX_LIMIT
        entries, before = await self._page(request, _filters(query), limit, _before(query))
        return json_answer(AuditEntries(entries, None if before is None else cursor((before,))))

    async def audit_csv(self, request: web.Request) -> web.StreamResponse:
        filters = _filters(request.query)
        page, before = await self._page(request, filters, MAX_LIMIT, None)
        answer = web.StreamResponse(
            headers={
                "Content-Type": "text/csv; charset=utf-8",
                "Content-Disposition": 'attachment; filename="audit.csv"',
            }
        )
        await answer.prepare(request)
        await answer.write(csv_text([AuditEntry.__struct_fields__]).encode())
        while True:
            await answer.write(csv_text([_cells(each) for each in page]).encode())
            if before is None:
                return answer
            page, before = await self._page(request, filters, MAX_LIMIT, before)

    async def _page(
        self, request: web.Request, filters: Filters, limit: int, before: int | None
    ) -> tuple[list[AuditEntry], int | None]:
        """Return entries as the caller may see them, and where the next page begins."""
        caller = caller_of(request)
        entries, following = await asyncio.get_running_loop().run_in_executor(
            self._executor, lambda: self._audit.found(filters, limit, before)
        )
        return [_shown(each, caller) for each in entries], following


def _shown(entry: AuditEntry, caller: Caller) -> AuditEntry:
    """Return an entry without idTags, unless the caller may see them."""
    if caller.sees_id_tags or entry.arguments is None:
        return entry
    masked = mask_id_tags(entry.arguments)
    if masked != entry.arguments and entry.message is not None:
        # The message of an error may repeat the tag.
        for name, value in entry.arguments.items():
            if masked[name] == MASK:
                entry.message = entry.message.replace(str(value), MASK)
    entry.arguments = masked
    return entry


def _cells(entry: AuditEntry) -> list[object]:
    values = [getattr(entry, name) for name in AuditEntry.__struct_fields__]
    return [json.dumps(each) if isinstance(each, dict) else each for each in values]


def _before(query: Mapping[str, str]) -> int | None:
    after = query.get("after")
    if not after:
        return None
    key = read_cursor(after)
    if len(key) != 1 or type(key[0]) is not int or not 0 < key[0] < 2**63:
        raise InvalidValueError("after: is not of this list")
    return key[0]


def _filters(query: Mapping[str, str]) -> Filters:
    """Return what a query asks for. Raises InvalidValueError."""
    start, end = query.get("start"), query.get("end")
    return Filters(
        None if not start else moment("start", start),
        None if not end else moment("end", end),
        query.get("by") or None,
        query.get("command") or None,
        query.get("result") or None,
        query.get("account") or None,
        query.get("cpid") or None,
    )
