"""The API of the latest statuses, with the path of the document on live status.

    python api.py --store statuses.sqlite --port 8080

`GET /charge_point_live_status/` lists all charge points, `/charge_point_live_status/ID` has one.
It prints a line of JSON with its URL when it answers.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
from pathlib import Path

from aiohttp import web
from statuses import Statuses

PATH = "/charge_point_live_status/"


def application(store: Statuses) -> web.Application:
    """The application over a store."""

    async def every(request: web.Request) -> web.Response:
        del request
        return web.json_response(await asyncio.to_thread(store.documents))

    async def one(request: web.Request) -> web.Response:
        found = await asyncio.to_thread(store.document, request.match_info["id"])
        if found is None:
            return web.json_response({"error": "no such charge point"}, status=404)
        return web.json_response(found)

    app = web.Application()
    app.router.add_get(PATH, every)
    app.router.add_get(PATH + "{id}", one)
    return app


async def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    given = parser.parse_args()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = web.AppRunner(application(Statuses(given.store)), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, given.host, given.port)
        await site.start()
        host, port = runner.addresses[0][:2]
        print(json.dumps({"url": f"http://{host}:{port}{PATH}"}), flush=True)
        await stop.wait()
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main())
