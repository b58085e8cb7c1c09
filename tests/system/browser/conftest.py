"""The sites of the page's own tests."""

from __future__ import annotations

from tests.unit.web.conftest import chromium, make_site, site  # noqa: F401  # fixtures
