"""The caching agent as it is, with somebody who counts what its process holds."""

from __future__ import annotations

# It patches everything when it is imported, and has to be the first to do so.
from chargepoint_driver.adapters import agent  # isort: skip

import gevent

from . import sampling

if __name__ == "__main__":
    gevent.spawn(sampling.keep_sampling)
    agent.main()
