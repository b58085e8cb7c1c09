"""`sim --replay`: what the options may be, and that the twins are those of the recording."""

from __future__ import annotations

import json

from chargepoint_driver.events.envelope import Event


def write(path):
    data = json.dumps({"version": "1.6"})
    event = Event(1, 1, 1_790_000_000.0, 1_790_000_000.0, "ocpp", "CP7", None, "Connected", data)
    path.write_text(event.to_json() + "\n", encoding="utf-8")
    return path


def test_the_recording_makes_the_twins(run, tmp_path, monkeypatch):
    found = {}
    monkeypatch.setattr(
        "chargepoint_driver.cli.commands.sim.run", lambda **options: found.update(options) or 0
    )
    done = run("sim", "--stations", "0", "--replay", write(tmp_path / "day.jsonl"))
    assert done.exit_code == 0, done.output
    assert [point["id"] for point in found["scenario"].charge_points] == ["CP7"]
    assert found["scenario"].tolerant
    assert found["twins"]["charge_points"] == 0


def test_usage(run, tmp_path):
    day = write(tmp_path / "day.jsonl")
    done = run("sim", "--replay", day, "--scenario", day)
    assert (done.exit_code, "not both" in done.output) == (2, True)
    day.write_text("no event")
    done = run("sim", "--stations", "0", "--replay", day)
    assert (done.exit_code, "line 1 is not an event" in done.output) == (2, True)
