"""The platform driver as it is, with somebody who counts what its process holds."""

from __future__ import annotations

# The host patches everything when it is imported, and has to be the first to do so.
from platform_driver import agent  # isort: skip

from typing import Any

import gevent
from volttron.driver.base.driver import DriverAgent

from . import sampling

publish_push = DriverAgent.publish_push


def counted(self: Any, values: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
    """Values that are published without a poll."""
    sampling.counts["pushed"] += len(values)
    return publish_push(self, values, *args, **kwargs)


if __name__ == "__main__":
    DriverAgent.publish_push = counted
    sampling.counts["pushed"] = 0
    gevent.spawn(sampling.keep_sampling)
    agent.main()
