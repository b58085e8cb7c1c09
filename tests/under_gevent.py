"""Plugin of pytest that patches with gevent, as the platform driver does:

    python -m pytest -p tests.under_gevent tests/unit/cache

The conftest.py of tests/unit/adapters imports it too: `pytest tests/unit/adapters` works alone.
"""

from __future__ import annotations

import sys
import warnings
from importlib.util import find_spec

import pytest

if find_spec("platform_driver") is None:
    raise pytest.UsageError("needs a platform driver: pip install '.[volttron]'")
if "gevent" not in sys.modules and "chargepoint_driver" in sys.modules:
    # Threads and locks of two kinds would meet.
    raise pytest.UsageError(
        "gevent must patch before the first import of chargepoint_driver; "
        "run tests/unit/adapters in a process of its own, or add -p tests.under_gevent"
    )
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # pytest itself has imported many modules by now
    import platform_driver.agent  # noqa: F401  # patches everything
