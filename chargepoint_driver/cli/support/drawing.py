"""The picture of a day: the site's load, and each port with its limits and sheds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

from chargepoint_driver.cli.support.history import PortHistory, Series, merged, total
from chargepoint_driver.errors import ConfigurationError

__all__ = ["draw"]

_LOAD, _LIMIT, _SHED, _GAP = "#1f6fb4", "#c0392b", "#f5b041", "#c8c8c8"
_COLUMNS_FROM = 5  # ports; fewer stand below each other
_PANEL_IN = 1.7
_SHORT = timedelta(minutes=20)


def draw(histories: Sequence[PortHistory], path: Path, title: str, zone: tzinfo) -> None:
    """Draw to a PNG or SVG file. Raises ConfigurationError where matplotlib is missing or the
    file cannot be written."""
    try:
        from matplotlib.dates import AutoDateLocator, DateFormatter  # noqa: PLC0415
        from matplotlib.figure import Figure  # noqa: PLC0415 - needs the plot extra
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{error.name} is not installed: pip install 'volttron-lib-chargepoint-driver[plot]'"
        ) from None
    columns = 2 if len(histories) >= _COLUMNS_FROM else 1
    lines = math.ceil(len(histories) / columns)
    with_sum = len(histories) > 1
    height = _PANEL_IN * lines + (2.4 if with_sum else 0) + 1.4
    figure = Figure(figsize=(11, height), layout="constrained")
    grid = figure.add_gridspec(
        lines + with_sum, columns, height_ratios=[1.4] * with_sum + [1.0] * lines
    )
    first = None
    if with_sum:
        first = figure.add_subplot(grid[0, :])
        site = total(histories)
        times, values = site.with_gaps()
        _area(first, times, values)
        _mark_gaps(first, site)
        first.set_title(f"All {len(histories)} ports", loc="left", fontsize=10)
        _mark(first, merged(span for port_history in histories for span in port_history.sheds()))
        _scale(first, values)
    panels = []
    top = max((value for one in histories for value in one.load_kw.values if value), default=1.0)
    for number, port_history in enumerate(histories):
        line, column = divmod(number, columns)
        panel = figure.add_subplot(grid[line + with_sum, column], sharex=first)
        first = first or panel
        _port(panel, port_history, top)
        panels.append(panel)
    last = {len(panels) - 1 - column for column in range(columns)}
    moments = [moment for port_history in histories for moment in port_history.load_kw.times]
    words = "%H:%M" if max(moments) - min(moments) > _SHORT else "%H:%M:%S"
    for number, panel in enumerate(figure.axes):
        panel.xaxis.set_major_locator(AutoDateLocator(tz=zone, maxticks=8))  # type: ignore[no-untyped-call]
        panel.xaxis.set_major_formatter(DateFormatter(words, tz=zone))  # type: ignore[no-untyped-call]
        is_sum = with_sum and number == 0
        panel.tick_params(labelbottom=is_sum or number - with_sum in last, labelsize=8)
        panel.grid(visible=True, alpha=0.25)
        panel.set_ylabel("kW", fontsize=9)
        panel.spines[["top", "right"]].set_visible(False)
    for number in last:
        panels[number].set_xlabel(f"time of day ({title.rpartition(', ')[2]})", fontsize=9)
    figure.suptitle(title, fontsize=12)
    _legend(figure)
    try:
        figure.savefig(path, dpi=130)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path}: cannot be written ({error})") from None


def _port(panel: Any, port_history: PortHistory, top: float) -> None:
    _area(panel, *port_history.load_kw.with_gaps())
    _mark(panel, port_history.sheds())
    _mark_gaps(panel, port_history.load_kw)
    for begin, _ in port_history.sheds():
        percent = port_history.percent.at(begin)
        if percent:
            where = {"xy": (begin, 1.0), "xycoords": ("data", "axes fraction")}
            words = {"xytext": (3, -11), "textcoords": "offset points", "fontsize": 8}
            panel.annotate(f"-{percent:g} %", color=_LIMIT, **where, **words)
    times, values = port_history.limit_kw().with_gaps()
    panel.plot(times, values, color=_LIMIT, linewidth=1.6, linestyle="--", marker="_", markersize=3)
    panel.set_title(port_history.name, loc="left", fontsize=9)
    panel.set_ylim(0, top * 1.12)


def _area(panel: Any, times: Sequence[Any], values: Sequence[float]) -> None:
    # A value that stands alone between two gaps has no line: the points make it visible.
    panel.plot(times, values, color=_LOAD, linewidth=1.4, marker=".", markersize=2.5)
    panel.fill_between(times, values, 0, color=_LOAD, alpha=0.15, linewidth=0)


def _mark(panel: Any, spans: Iterable[tuple[datetime, datetime]]) -> None:
    for begin, end in spans:
        panel.axvspan(begin, end, color=_SHED, alpha=0.28, linewidth=0)


def _mark_gaps(panel: Any, series: Series) -> None:
    for begin, end in series.gaps():
        panel.axvspan(begin, end, facecolor="none", edgecolor=_GAP, hatch="////", linewidth=0)


def _scale(panel: Any, values: Sequence[float]) -> None:
    known = [value for value in values if not math.isnan(value)]
    panel.set_ylim(0, max(known, default=1.0) * 1.12 or 1.0)


def _legend(figure: Any) -> None:
    from matplotlib.lines import Line2D  # noqa: PLC0415
    from matplotlib.patches import Patch  # noqa: PLC0415

    figure.legend(
        handles=[
            Line2D([], [], color=_LOAD, label="load"),
            Line2D([], [], color=_LIMIT, linestyle="--", label="limit in force (allowedLoad)"),
            Patch(color=_SHED, alpha=0.4, label="shed reported"),
            Patch(facecolor="none", edgecolor=_GAP, hatch="////", label="nothing was reported"),
        ],
        loc="outside lower center",
        ncols=4,
        fontsize=9,
        frameon=False,
    )
