"""The API as Schemathesis sees it: a few operations here, all of them by `make fuzz-api`."""

from __future__ import annotations

import pytest

from chargepoint_driver.http_server import authentication

from ...unit.web.conftest import make_site, site  # noqa: F401  # fixtures
from .api import fuzz

pytest.importorskip("schemathesis", reason="needs Schemathesis: pip install '.[test]'")

OPERATIONS = ("audit", "alarms", "health", "series", "shed", "acknowledge")


def test_answers_are_what_the_document_says(site, monkeypatch):  # noqa: F811
    monkeypatch.setattr(authentication, "_FIRST_S", 0.0)
    chosen = [word for name in OPERATIONS for word in ("--include-operation-id", name)]
    done = fuzz(
        site, *chosen, "--phases", "examples,coverage", "--max-examples", "1", "--seed", "1"
    )
    assert done.returncode == 0, done.stdout
    assert f"Tested: {len(OPERATIONS)}" in done.stdout
