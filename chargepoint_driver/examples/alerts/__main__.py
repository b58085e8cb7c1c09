"""Start of an alert agent of the platform: `python -m chargepoint_driver.examples.alerts
topic_watcher`.

The releases volttron-topic-watcher 2.0.0rc0, volttron-emailer 0.1.0 and volttron-actuator 0.1.1a9
call `volttron.utils.setup_logging`, which volttron-core 2.0.0rc38 has in `volttron.client.logs`.
"""

from __future__ import annotations

import runpy
import sys

import volttron.utils
from volttron.client.logs import setup_logging


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(
            "usage: python -m chargepoint_driver.examples.alerts "
            "threshold_detection|topic_watcher|emailer|actuator"
        )
    if not hasattr(volttron.utils, "setup_logging"):
        volttron.utils.setup_logging = setup_logging
    name = f"{sys.argv.pop()}.agent"
    runpy.run_module(name, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
