"""A connection to the platform as any agent, for tests of what it may: `caller.py IDENTITY
LIMIT_S`, the seconds that a call may take.

The lines are those of `examples.demo.link`.
"""

from __future__ import annotations

import sys

from examples.demo import link

if __name__ == "__main__":
    link.IDENTITY = sys.argv[1]
    link.CALL_LIMIT_S = float(sys.argv[2])
    link.main()
