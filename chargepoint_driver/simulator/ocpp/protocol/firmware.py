"""Firmware and uploads that both versions share: statuses one after another, as time goes by.

A location that contains `missing` cannot be down- or uploaded, one with `broken` not installed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .charge_point import Charger

STEP_S = 20.0


def update(point: Charger, location: str, retrieve_s: float, report: Callable[[str], None]) -> None:
    """Download at `retrieve_s`, install, restart; `report` each status."""
    steps = ["Downloading", "Downloaded", "Installing", "Installed"]
    if "missing" in location:
        steps = ["Downloading", "DownloadFailed"]
    elif "broken" in location:
        steps[-1] = "InstallationFailed"

    def finished() -> None:
        if steps[-1] == "Installed":
            point.reboot("Reboot", gently=True)

    point.then(lambda: _play(point, retrieve_s, steps, report, finished))


def upload(point: Charger, location: str, failed: str, report: Callable[[str], None]) -> None:
    """Upload now; `report` each status, with the version's word `failed`."""
    steps = ["Uploading", failed if "missing" in location else "Uploaded"]
    point.then(lambda: _play(point, point.begin(), steps, report))


def _play(
    point: Charger,
    start_s: float,
    steps: Sequence[str],
    report: Callable[[str], None],
    finished: Callable[[], None] | None = None,
) -> None:
    def one(index: int) -> None:
        report(steps[index])
        if index + 1 < len(steps):
            point.scheduler.after(STEP_S, lambda: one(index + 1))
        elif finished is not None:
            finished()

    point.scheduler.at(start_s, lambda: one(0))
