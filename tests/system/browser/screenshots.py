"""Pictures of every view of the page, to be looked at: `make screenshots`.

    python -m tests.system.browser.screenshots [--out FOLDER] [--ports 8 200 2000]
        [--widths 390 1440 2560] [--schemes light dark] [--views overview alarms ...]
        [--language de]

Each picture is one screen, at most 2,000 pixels high. Prints the path of each.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import tempfile
import time
from datetime import datetime, timedelta, timezone
from importlib.resources import files
from pathlib import Path
from typing import Any

from ...unit.web.conftest import STATION, Site, eventually
from .browser import Page

_PORTS, _WIDTHS, _SCHEMES = (8, 200, 2_000), (390, 1_440, 2_560), ("light", "dark")
_HEIGHT, _MAX_HEIGHT = 1_000, 2_000
_SETTLE_S = 1.5
_VIEWS = re.findall(
    r"^  (\w+): \(\) =>",
    (files("chargepoint_driver.web") / "page" / "views.js").read_text(encoding="utf-8"),
    re.MULTILINE,
)
# Name to the address, and what is clicked there. `scroll`: one screen of the ports.
SCENES: dict[str, tuple[str, str]] = {
    **{name: ("" if name == "overview" else f"?view={name}", "") for name in _VIEWS},
    "tiles": ("?as=tiles", "scroll"),
    "table": ("?as=table", "scroll"),
    "grouped": ("?as=table&by=group&sort=-load", "scroll"),
    "panel": (f"?port=garage~{STATION}~1", ""),
    "panel-sessions": (f"?port=garage~{STATION}~1&tab=sessions", ""),
    "panel-charger": (f"?port=garage~{STATION}~1&tab=charger", ""),
    "shed": (f"?port=garage~{STATION}~1", "#panel [data-do=shed]"),
    "rule": ("?view=schedules", "#rule-add"),
    "schedule-group": ("?view=schedules", "#group-add"),
}


def _schedule(folder: Path) -> Path:
    """A schedule with what the view can show."""
    path = folder / "schedule.json"
    tomorrow = (datetime.now(timezone.utc) + timedelta(days=1)).date().isoformat()
    evening = {"name": "winter evening", "kw": 12.5, "from": "17:30", "until": "20:00"}
    groups = {
        "fleet": {
            "devices": [{"station": STATION, "port": 1}, {"station": STATION, "port": 2}],
            "rules": [
                {**evening, "weekdays": ["mon", "tue", "wed", "thu", "fri"], "holidays": "never"},
                {"name": "night", "kw": 6.0, "from": "22:00", "until": "06:00"},
                {"name": "market", "kw": 0.0, "weekdays": ["sat"], "from": "08:00"},
            ],
        },
        "visitors": {"devices": [{"station": "1:34002"}], "rules": [{"kw": 100.0}]},
    }
    content = {
        "timezone": "Europe/Berlin",
        "groups": groups,
        "holidays": [tomorrow],
        "exceptions": [{"date": tomorrow, "kw": None, "name": "open day", "groups": ["fleet"]}],
    }
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def _site(ports: int, folder: Path) -> Site:
    """A site with sessions, alarms, a station out of reach and a schedule that runs."""
    web = {
        "title": "Garage North",
        "time_zone": "Europe/Berlin",
        "schedule": {"file": str(_schedule(folder)), "run": True},
    }
    site = Site(web=web, stations=ports // 2, groups=1 if ports < 100 else 8)
    eventually(lambda: site.get("/state")["sessions"]["readAt"], 180)
    site.sim.world.raise_alarm("1:34002", "GFCI Trip", 1)
    site.sim.world.set_reachable("1:34003", False)
    for _ in range(30):
        site.pass_(61)
        time.sleep(0.2)
    return site


def _take(page: Page, site: Site, scene: str, width: int, scheme: str, path: Path) -> None:
    address, click = SCENES[scene]
    page.prefer(prefers_color_scheme=scheme)
    _resize(page, width, _HEIGHT)
    page.driver.get(f"{site.server.url}{address}")
    eventually(lambda: page.text("#live") in ("Connected", "Verbunden"), 120)
    time.sleep(_SETTLE_S)
    height = page.js("return document.documentElement.scrollHeight")
    if click == "scroll":
        page.js("document.getElementById('ports-part').scrollIntoView()")
    else:
        if click:
            page.click(click)
            time.sleep(0.3)
        _resize(page, width, min(max(height, _HEIGHT), _MAX_HEIGHT))
    time.sleep(0.4)
    page.driver.save_screenshot(str(path))
    wide = page.js("return document.documentElement.scrollWidth - innerWidth")
    notes = [f"height {height}"] + [f"{wide} px too wide"] * (wide > 0) + page.complaints()
    print(f"{path}: {', '.join(notes)}", flush=True)


def _resize(page: Page, width: int, height: int) -> None:
    metrics: dict[str, Any] = {"width": width, "height": height, "deviceScaleFactor": 1}
    metrics["mobile"] = width < 700
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--ports", type=int, nargs="+", default=_PORTS)
    parser.add_argument("--widths", type=int, nargs="+", default=_WIDTHS)
    parser.add_argument("--schemes", nargs="+", choices=_SCHEMES, default=_SCHEMES)
    parser.add_argument("--views", nargs="+", choices=sorted(SCENES), default=list(SCENES))
    parser.add_argument("--language", default="en")
    wanted = parser.parse_args()
    out = wanted.out or Path(tempfile.mkdtemp(prefix="chargepoint-screenshots-"))
    out.mkdir(parents=True, exist_ok=True)
    paths = shutil.which("chromium") or "chromium-browser", shutil.which("chromedriver")
    page = Page((paths[0], str(paths[1])))
    try:
        for ports in wanted.ports:
            with tempfile.TemporaryDirectory() as folder:
                site = _site(ports, Path(folder))
                try:
                    page.driver.delete_all_cookies()
                    page.open(site.server.url)
                    cookie = {"name": "chargepoint_language", "value": wanted.language}
                    page.driver.add_cookie(cookie)
                    for scene in wanted.views:
                        for width in wanted.widths:
                            for scheme in wanted.schemes:
                                path = out / f"{scene}-{ports}-{width}-{scheme}.png"
                                _take(page, site, scene, width, scheme, path)
                finally:
                    site.close()
    finally:
        page.close()
    print(f"pictures in {out}")


if __name__ == "__main__":
    main()
