"""Cost of the driver interface when no call is due.

What a user gains: a poll that asks nothing leaves the platform free for other devices.
"""

from __future__ import annotations

# As in the platform driver's process: all of it is gevent's, from the start.
from gevent import monkey

monkey.patch_all()

from collections.abc import Iterator

from lxml import etree

from bench.figure import Figure, medians
from bench.host import interface
from bench.replies import recording
from bench.site import LIVE, live_rows, site

STATIONS = 1_000
LIVE_CALLS = ("getStationStatus", "getLoad", "getAlarms")


def figures() -> Iterator[Figure]:
    """get_multiple_points while every reply is current, against lxml on those replies."""
    with recording() as replies, site(STATIONS, groups=10) as here:
        driver, topics = interface(here, live_rows())
        assert len(topics) == STATIONS * 2 * len(LIVE)

        def read() -> object:
            values, errors = driver.get_multiple_points(topics)
            assert len(values) == len(topics), list(errors.items())[:1]
            return values

        read()
        contents = [content for call in LIVE_CALLS for content in replies[call]]
        took = medians(
            {"lxml": lambda: [etree.fromstring(content) for content in contents], "read": read}
        )
    yield Figure(
        f"get_multiple_points of {len(topics):,} topics, against parsing their replies with lxml",
        took["read"] / took["lxml"],
        "times",
        at_most=5,
    )
