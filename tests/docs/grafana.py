"""What Grafana does to a query before the database gets it."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

HOUR = timedelta(hours=1)


def filled(sql: str, site: str, begin: datetime, end: datetime) -> str:
    """The query with its variables filled in; `site` is the text box."""
    values = {"site": site, "__from:date:iso": _iso(begin), "__to:date:iso": _iso(end)}
    # A name that is not known stays, and the database complains of it.
    return re.sub(r"\$\{(.*?)\}", lambda found: values.get(found[1], found[0]), sql)


def _iso(time: datetime) -> str:
    """As Grafana formats `date:iso`: UTC, milliseconds, Z."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03d}Z"
