"""Live table of the ports; plain lines if the output is not a terminal."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console, JustifyMethod
from rich.live import Live
from rich.table import Table
from rich.text import Text

from examples.demo.watch import Watch

if TYPE_CHECKING:
    from typing_extensions import Self

BAR_WIDTH = 8
FULL_BAR_KW = 8.0
PLAIN_EVERY_S = 6.0

HEADINGS = (
    *("Port", "Status", "", "Load\nkW"),
    *("Commanded\nkW", "Allowed\nkW", "Shed", "Session\nkWh"),
)
# What each phase of the agent means to somebody who watches.
PHASES = {
    "": "The ports are being polled.",
    "waiting": "The demand-response agent looks for the busiest port.",
    "before": "{device} has the highest load: {load_kw} kW.",
    "shed": "{device} is limited to {allowed_load_kw} kW. It may take a while to obey.",
    "cleared": "{device} is set free again. It may take a while to obey.",
    "failed": "The agent failed: {error}. To do: {cure}.",
}


class Screen:
    """Shows a Watch. Use as a context manager; show() as often as you like."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._phase = ""
        self._told = 0
        self._next_plain = time.monotonic() + PLAIN_EVERY_S / 2

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False)
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, sentence: str) -> None:
        """A line of its own, above the table."""
        self._console.print(sentence, highlight=False, markup=False, soft_wrap=True)

    def show(self, watch: Watch) -> None:
        """Show the present state."""
        if watch.phase != self._phase:
            self._phase = watch.phase
            self.say(describe_phase(watch))
        for shed in watch.sheds[self._told :]:
            self.say(f"{watch.device}  shedStatus {shed.status}{shed.reason and ': '}{shed.reason}")
        self._told = len(watch.sheds)
        if self._live is not None:
            self._live.update(draw(watch), refresh=True)
        elif watch.ports and time.monotonic() >= self._next_plain:
            self._next_plain = time.monotonic() + PLAIN_EVERY_S
            for device in sorted(watch.ports):
                self.say(plain_line(device, watch.ports[device]))


def describe_phase(watch: Watch) -> str:
    """Return what the agent is doing, as a sentence."""
    return PHASES.get(watch.phase, watch.phase).format_map(watch.phases.get(watch.phase, {}))


def draw(watch: Watch) -> Table:
    """The table of all ports."""
    title, caption = "ChargePoint ports on VOLTTRON", describe_phase(watch)
    # Eight columns in a terminal of 80: every blank counts.
    table = Table(title=title, caption=caption, box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    for heading in HEADINGS:
        justify: JustifyMethod = "right" if "\nk" in heading else "left"
        table.add_column(heading, justify=justify, no_wrap=True)
    for device in sorted(watch.ports):
        values = watch.ports[device]
        load_kw = values.get("portLoad")
        table.add_row(
            # The last two steps are enough to tell ports apart, and fit a narrow terminal.
            "/".join(device.rsplit("/", 2)[1:]),
            Text(str(values.get("Status", "?")), style=_status_style(values)),
            bar(load_kw),
            _number(load_kw),
            _commanded(values),
            _allowed(values),
            _shed(values),
            _number(values.get("Energy")),
            style="bold" if device == watch.device else "",
        )
    return table


def bar(load_kw: float | None) -> str:
    """A load as a bar; empty for none and for unknown."""
    filled = round(min((load_kw or 0.0) / FULL_BAR_KW, 1.0) * BAR_WIDTH)
    return "█" * filled + "·" * (BAR_WIDTH - filled)


def plain_line(device: str, values: dict[str, Any]) -> str:
    """A port as a line of text."""
    return (
        f"{device}  {values.get('Status', '?'):11} {_number(values.get('portLoad')):>6} kW"
        f"  commanded {_commanded(values) or '-':>5}  allowed {_allowed(values) or '-':>5}"
        f"  {_shed(values) or '-':9} session {_number(values.get('Energy')):>6} kWh"
    )


def _commanded(values: dict[str, Any]) -> str:
    """The limit that was commanded; empty for none."""
    kw = values.get("commandedLoad")
    return "" if kw is None else _number(kw)


def _allowed(values: dict[str, Any]) -> str:
    """The limit that the station reports; empty while it reports that none is in force."""
    return _number(values.get("allowedLoad")) if values.get("shedState") else ""


def _shed(values: dict[str, Any]) -> str:
    """The word of shedStatus; empty for none."""
    status = str(values.get("shedStatus", "?"))
    return "" if status == "none" else status


def _number(value: float | None) -> str:
    # Not reported is not 0.
    return "?" if value is None else f"{value:.2f}"


def _status_style(values: dict[str, Any]) -> str:
    return {"INUSE": "green", "AVAILABLE": "cyan", "UNREACHABLE": "red"}.get(
        str(values.get("Status")), "yellow"
    )
