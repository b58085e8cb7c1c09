"""`chargepoint-driver watch`: the ports of an account, live."""

from __future__ import annotations

import os
import re
import select
import signal
import sys
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timezone

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from chargepoint_driver.cli.discovery.site import Station, in_groups, stations_of
from chargepoint_driver.cli.support.account import Find, access_options, serving_any
from chargepoint_driver.cli.support.console import as_json as json_option
from chargepoint_driver.cli.support.console import (
    asking,
    bar,
    clock_time,
    console,
    emit,
    mark_asked,
    refuse_ignored,
)
from chargepoint_driver.cli.support.exit_codes import SOME_FAILED
from chargepoint_driver.cli.support.status_board import (
    LIVE,
    PortState,
    StatusBoard,
    read_board,
    selection,
)
from chargepoint_driver.errors import TransientError
from chargepoint_driver.registry import Selection

__all__ = ["render", "watch"]

_STATUS = {"AVAILABLE": "green", "INUSE": "cyan", "UNREACHABLE": "red", "UNKNOWN": "yellow"}
# The end of what a key sends, whichever mode the terminal is in, to rows.
_KEYS = {"j": 1, "k": -1, "B": 1, "A": -1, " ": 10, "6~": 10, "5~": -10}
_PRESSED = re.compile(r"\x1b[\[O](\d*[A-Z~])|(.)", re.DOTALL)
_REDRAW_S = 0.5
# Lines around the rows: title, head and its rule, blank lines, sum, help.
_AROUND = 7
_MAX_MESSAGES = 3
# Columns of numbers with the width that the longest one needs.
_NUMBERS = {"kW": 6, "Limit": 8, "kWh": 4, "Age": 4}
# Columns that the table takes at the least, and what the one of errors adds.
_NARROW = 76
_ERROR = 14


@click.command(
    epilog="""\b
Example:
  chargepoint-driver watch --interval 30
\b
  chargepoint-driver watch --once --group "Garage 1"
  chargepoint-driver watch --json >> site.jsonl
"""
)
@access_options
@click.option("--group", "groups", multiple=True, help="Only this group (id or name); repeatable.")
@click.option(
    "--interval",
    "interval_s",
    type=click.FloatRange(1, 3_600),
    default=30.0,
    show_default=True,
    help="Seconds between readings.",
)
@click.option("--once", is_flag=True, help="Read once and end; the default without a terminal.")
@json_option
def watch(
    find: Find, groups: tuple[str, ...], interval_s: float, once: bool, as_json: bool
) -> None:
    """Show every port until q or Ctrl-C: status, load, limit, session, age, errors.

    Arrow keys scroll. With --json each reading is one line of JSON.
    """
    if once:
        refuse_ignored({"interval_s"}, "is the time between two looks: --once looks once")
    access = find(fleet=("chargepoint",))
    screen = console()
    once = once or not (as_json or screen.is_terminal)
    with serving_any(access) as service:
        site: list[tuple[list[Station], Selection]] = []

        def see() -> StatusBoard:
            if not site:
                stations = stations_of(service.stations())
                mark_asked()
                chosen = in_groups(stations, groups) if groups else stations
                # A value that was fetched for the look before must not be taken for this one.
                site.append((chosen, selection(chosen, interval_s / 2)))
            return read_board(service, *site[0])

        def see_or_wait() -> StatusBoard:
            """Stations that cannot be listed yet are unknown; the next look may do."""
            try:
                return see()
            except TransientError as error:
                return StatusBoard.without_stations(error)

        if once:
            with asking(f"asking {access.account.place} …"):
                board = see()
            if as_json:
                emit(board.to_dict())
            else:
                screen.print(render(board, screen.width))
            if board.messages:
                raise SystemExit(SOME_FAILED)
        elif as_json:
            _lines(see_or_wait, interval_s)
        else:
            _show(see_or_wait, interval_s, screen, access.account.place)


def render(
    board: StatusBoard,
    width: int,
    height: int | None = None,
    first: int = 0,
    since_s: float = 0.0,
) -> Group:
    """Return the picture for a screen of that size, `since_s` after it was taken; `first` is the
    row to begin with, `height` None shows all rows."""
    messages = board.problems or board.messages
    if height is not None:
        messages = messages[:_MAX_MESSAGES]
    if board.ports is None:
        head = Text(f"{clock_time(board.at)}   load unknown   stations and ports unknown")
        return Group(head, *_errors(messages))
    ports = board.ports
    if height is not None:
        taken = sum(-(-(len("error ") + len(message)) // width) for message in messages)
        rows = max(1, height - _AROUND - taken)
        first = max(0, min(first, len(ports) - rows))
        ports = ports[first : first + rows]
    with_errors = any(port.errors for port in board.ports)
    spare = max(0, width - _NARROW - (_ERROR if with_errors else 0))
    wide = 4 + min(16, spare // 2)
    names = 14 + min(26, spare - spare // 2)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("Station", no_wrap=True, min_width=names)
    table.add_column("Port", justify="right", no_wrap=True)
    table.add_column("Status", no_wrap=True, min_width=11)
    table.add_column("Load", no_wrap=True, min_width=wide)
    for title, least in _NUMBERS.items():
        table.add_column(title, justify="right", no_wrap=True, min_width=least)
    if with_errors:
        table.add_column("Error", no_wrap=True, overflow="ellipsis", max_width=_ERROR + spare // 4)
    station = None
    for port in ports:
        cells = _cells(port, wide, since_s)
        name = port.station if port.station_id != station else ""
        # The end of a name tells stations apart, its beginning is often the same.
        shown = name if len(name) <= names else f"{_cut()}{name[1 - names :]}"
        table.add_row(escape(shown), *cells[: len(table.columns) - 1])
        station = port.station_id
    head = Text(f"{clock_time(board.at)}   {_sum(board.ports)}", overflow="ellipsis", no_wrap=True)
    body: list[Text | Table] = [head, table]
    if len(ports) < len(board.ports):
        body.append(Text(f"ports {first + 1} to {first + len(ports)} of {len(board.ports)}"))
    if any(_is_unknown(port) for port in board.ports):
        body.append(Text("? unknown, – not reported", style="dim"))
    return Group(*body, *_errors(messages))


def _cut() -> str:
    """Return the mark of a name that is cut, in one character, also where the encoding has no
    ellipsis."""
    return "…" if (sys.stdout.encoding or "").lower().startswith("utf") else "~"


def _errors(messages: Sequence[str]) -> list[Text]:
    # Folded, not cut: the cure stands at the end.
    return [Text(f"error {message}", style="red", overflow="fold") for message in messages]


def _is_unknown(port: PortState) -> bool:
    return bool(port.unknown) or port.status == "UNREACHABLE"


def _load_kw(port: PortState) -> float | None:
    """Return the load in kW. Of a port out of reach the service repeats an old one: unknown."""
    return None if port.status == "UNREACHABLE" else port.load_kw


def _cells(port: PortState, width: int, since_s: float) -> list[str]:
    def missing(*points: str) -> str:
        return "[yellow]?[/]" if port.unknown.intersection(points) else "[dim]–[/]"

    colour = _STATUS.get(port.status or "", "white")
    load_kw = _load_kw(port)
    share = None if load_kw is None or not port.rated_kw else load_kw / port.rated_kw
    drawn = " " * width if share is None else bar(share, width)
    load = missing("portLoad") if port.status != "UNREACHABLE" else "[yellow]?[/]"
    limit = missing("shedState", "allowedLoad", "percentShed")
    if port.limit_kw is not None:
        limit = f"[yellow]{port.limit_kw:.1f} kW[/]"
    elif port.limit_percent is not None:
        limit = f"[yellow]-{port.limit_percent} %[/]"
    elif port.is_shed:
        limit = "[yellow]shed[/]"
    elif port.is_shed is False:
        limit = "none"
    energy = missing("sessionID", "endTime", "Energy")
    status = "[yellow]unknown[/]" if "Status" in port.unknown else "[dim]–[/]"
    return [
        str(port.port),
        f"[{colour}]{escape(port.status)}[/]" if port.status else status,
        f"[{'yellow' if port.is_shed else 'blue'}]{drawn}[/]",
        load if load_kw is None else f"{load_kw:.2f}",
        limit,
        energy if port.session_kwh is None else f"{port.session_kwh:.1f}",
        missing(*LIVE) if port.age_s is None else f"{port.age_s + since_s:.0f} s",
        f"[red]{escape(', '.join(port.errors))}[/]",
    ]


def _sum(ports: Sequence[PortState]) -> str:
    """Return the site in one line; a total of which some ports are unknown is "at least" so
    much."""
    if not ports:
        return "no ports"
    known = [load_kw for port in ports if (load_kw := _load_kw(port)) is not None]
    unknown = len(ports) - len(known)
    load = f"{sum(known):.1f} kW"
    if unknown:
        load = f"at least {load} ({unknown} of {len(ports)} ports unknown)"
    if not known:
        load = f"load unknown ({unknown} ports)"
    busy = _counted([port.status == "INUSE" if port.status else None for port in ports])
    shed = _counted([port.is_shed for port in ports])
    return f"{load}   {len(ports)} ports, {busy} in use, {shed} shed"


def _counted(each: Sequence[bool | None]) -> str:
    """Return how many, and of how many it is unknown."""
    unknown = each.count(None)
    if unknown == len(each):
        return "unknown"
    return f"{each.count(True)}" + (f" ({unknown} unknown)" if unknown else "")


def _lines(see: Callable[[], StatusBoard], interval_s: float) -> None:
    """Print a line of JSON for each reading, until interrupted."""
    with _ended_by_signal(), suppress(KeyboardInterrupt):
        while True:
            begun = time.monotonic()
            emit(see().to_dict())
            time.sleep(max(0.0, begun + interval_s - time.monotonic()))


def _show(see: Callable[[], StatusBoard], interval_s: float, screen: Console, place: str) -> None:
    """Draw until q or Ctrl-C. Another thread reads, so the drawing never waits."""
    ended = threading.Event()
    seen: list[StatusBoard] = []
    failures: list[BaseException] = []

    def take() -> None:
        try:
            while not ended.is_set():
                seen[:] = [see()]
                ended.wait(interval_s)
        except BaseException as error:  # noqa: BLE001 - raised where it is shown
            failures.append(error)

    looker = threading.Thread(target=take, daemon=True)
    looker.start()
    first = 0
    try:
        with (
            _ended_by_signal(),
            _keys() as key,
            Live(console=screen, screen=True, auto_refresh=False) as live,
            suppress(KeyboardInterrupt),
        ):
            while not failures:
                live.update(_frame(seen, screen, first, place), refresh=True)
                pressed = key(_REDRAW_S)
                if "q" in pressed:
                    break
                most = len(seen[0].ports or ()) - 1 if seen else 0
                first = max(0, min(most, first + sum(_KEYS.get(one, 0) for one in pressed)))
    finally:
        ended.set()
        looker.join(timeout=1)
    if failures:
        raise failures[0]


def _frame(seen: list[StatusBoard], screen: Console, first: int, place: str) -> Group:
    foot = Text("q ends, arrow keys scroll", style="dim")
    if not seen:
        return Group(Text(f"asking {place} …"), foot)
    width, height = screen.size
    since_s = (datetime.now(timezone.utc) - seen[0].at).total_seconds()
    return Group(render(seen[0], width, height, first, since_s), foot)


@contextmanager
def _keys() -> Iterator[Callable[[float], list[str]]]:
    """Keys as they are pressed, without Enter: a function that waits so long for some."""
    if not sys.stdin.isatty():

        def nobody(limit_s: float) -> list[str]:
            time.sleep(limit_s)
            return []

        yield nobody
        return
    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)

    def key(limit_s: float) -> list[str]:
        ready, _, _ = select.select([number], [], [], limit_s)
        text = os.read(number, 256).decode(errors="replace") if ready else ""
        return [found[1] or found[2] for found in _PRESSED.finditer(text)]

    try:
        tty.setcbreak(number)
        yield key
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)


@contextmanager
def _ended_by_signal() -> Iterator[None]:
    """SIGTERM ends like Ctrl-C, so that the terminal is put back."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
