"""The command line: works without VOLTTRON.

Exit codes: 0 all well, 1 something is wrong with what was given or read, 2 wrong usage.
"""

from chargepoint_driver.cli.main import main

__all__ = ["main"]
