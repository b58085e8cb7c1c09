"""A client that openapi-python-client generates from the document works."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys

import pytest

from chargepoint_driver.web.api.openapi import document

from ..conftest import STATION, TOKEN

pytest.importorskip(
    "openapi_python_client", reason="needs openapi-python-client: pip install '.[test]'"
)


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """The generated package, imported."""
    folder = tmp_path_factory.mktemp("client")
    (folder / "openapi.json").write_text(json.dumps(document()), encoding="utf-8")
    (folder / "settings.yml").write_text("post_hooks: []\n", encoding="utf-8")
    target = folder / "page_client"
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none"]
    files = ["--path", "openapi.json", "--output-path", str(target), "--config", "settings.yml"]
    done = subprocess.run(
        [*command, *files], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield lambda name: importlib.import_module(f"page_client.{name}")
    for name in [name for name in sys.modules if name.partition(".")[0] == "page_client"]:
        del sys.modules[name]


def test_it_reads_pages_sends_commands_and_knows_errors(client, site):
    base = site.server.url.rstrip("/")
    options = {"trust_env": False}
    with client("client").AuthenticatedClient(
        base_url=base, token=TOKEN, httpx_args=options, timeout=30
    ) as caller:
        assert client("api.service.health").sync(client=caller).good is True
        read = client("api.stations.stations").sync
        cpids, page = [], read(client=caller, limit=3)
        while True:
            cpids += [station.cpid for station in page.stations]
            if page.after is None:
                break
            page = read(client=caller, limit=3, after=page.after)
        assert cpids == [station.station_id for station in site.sim.world.stations]
        request = client("models").ShedRequest(cpid=STATION, connector_id=1, allowed_load=3.0)
        shed = client("api.sheds.shed").sync_detailed
        answer = shed(client=caller, body=request)
        assert (answer.status_code, answer.parsed.status) == (200, "Accepted")
        assert site.sim.calls.count("shedLoad") == 1
        refused = shed(client=caller, body=client("models").ShedRequest(cpid=STATION))
        assert (refused.status_code, refused.parsed.error.code) == (400, "bad_value")
