"""`chargepoint-driver`: the group of commands and what they share.

Commands are imported when they are called: what one needs (zeep, aiohttp, the simulator) is not
waited for by the others, by --help or by completion.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping
from typing import Any

import click
from click.shell_completion import CompletionItem

from chargepoint_driver import __version__
from chargepoint_driver.cli.support.exit_codes import MEANINGS, exit_code
from chargepoint_driver.cli.support.streams import LogHandler, prepare_streams
from chargepoint_driver.errors import ChargePointError

__all__ = ["main"]

_COMMANDS: Mapping[str, tuple[str, str]] = {
    "ask": ("ask", "Answer questions about chargers and transactions."),
    "authorize": (
        "authorize",
        "Give an agent a role on a VOLTTRON platform, and close writing to all agents without one.",
    ),
    "call": ("call", "Send an OCPP request to a charger and print its answer."),
    "check": ("check", "Check registry CSVs, driver configs and configs of the caching agent."),
    "completion": ("completion", "Print the shell completion script."),
    "csms": ("csms", "Run the OCPP central system until interrupted."),
    "diagnostics": ("diagnostics", "Write a support bundle with secrets removed."),
    "discover": ("discover", "List what an account sees, and write or deploy devices."),
    "events": (
        "events",
        "Print stored events as JSON lines, oldest first, or send them to a sink again.",
    ),
    "examples": ("examples", "List or copy the samples that the documentation names."),
    "export": (
        "export",
        "Write sessions, meter values and limits as CSV and Parquet, with a data dictionary.",
    ),
    "fleet": ("fleet", "Make the tables of a fleet in PostgreSQL, and show or drain its nodes."),
    "forget": ("forget", "Forget a charger of a central system; its records stay."),
    "node": ("node", "Run an OCPP central system on PostgreSQL until interrupted."),
    "openadr": ("openadr", "Follow events of OpenADR 2.0b and 3 servers until interrupted."),
    "plot": ("plot", "Draw the loads of one day from an SQLite historian, of a site or a port."),
    "points": ("points", "List every attribute that a registry can name."),
    "read": ("read", "Read every point of a driver config once, as a platform would."),
    "report": ("report", "Sum up sessions, energy, time and costs of a month by cost centre."),
    "schedule": ("schedule", "Limit chargers by time, price and circuit, until interrupted."),
    "sessions": ("sessions", "List charging sessions that overlap a time range, oldest first."),
    "sim": ("sim", "Serve simulated stations and OCPP chargers (twins) until interrupted."),
    "watch": (
        "watch",
        "Show every port until q or Ctrl-C: status, load, limit, session, age, errors.",
    ),
    "web": (
        "web",
        "Serve a page of the chargers, and a JSON API under /api/v1, until interrupted.",
    ),
    "web-keys": ("web_keys", "Make, list or remove keys of the page and of its JSON API."),
    "write": ("write", "Send one command: a limit, the end of a shed, or clearing alarms."),
}
"""Command to (module of `commands` with a function of that name, first sentence of its help)."""

# These continue after an error, which is in their log.
_SERVERS = {"web", "csms", "node", "sim", "openadr", "schedule"}

_DEFECT = 70
_INTERRUPTED = 130


class _Group(click.Group):
    """Loads a command when it is called. Errors end a command with a sentence and an exit code,
    never with a traceback, unless --debug asks for one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in self.commands and cmd_name in _COMMANDS:
            module, _ = _COMMANDS[cmd_name]
            loaded = importlib.import_module(f"chargepoint_driver.cli.commands.{module}")
            command: click.Command = getattr(loaded, module)
            command.params.append(_debug_option())
            self.add_command(command, cmd_name)
        return self.commands.get(cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, words) in _COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        names = [
            CompletionItem(name, help=words)
            for name, (_, words) in _COMMANDS.items()
            if name.startswith(incomplete)
        ]
        # Only the options of the group itself: those of groups are added by click to its names.
        return names + click.Command.shell_complete(self, ctx, incomplete)

    def main(self, *args: Any, **options: Any) -> Any:
        prepare_streams()
        return super().main(*args, **options)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ChargePointError as error:
            if _debugs(ctx):
                raise
            _complain(f"[{error.code}] {error}")
            ctx.exit(exit_code(error, asked=bool(ctx.ensure_object(dict).get("asked"))))
        except (KeyboardInterrupt, click.Abort):
            _complain("interrupted", "warning")
            ctx.exit(_INTERRUPTED)
        except (click.ClickException, click.exceptions.Exit, BrokenPipeError):
            raise
        except Exception as error:
            if _debugs(ctx):
                raise
            _complain(
                f"{type(error).__name__}: {error} - this is a defect of the program; "
                "run the command again with --debug to see where"
            )
            ctx.exit(_DEFECT)


def _complain(text: str, kind: str = "error") -> None:
    from chargepoint_driver.cli.support.console import complain  # noqa: PLC0415 - rich, for errors only

    complain(text, kind)


def _debugs(ctx: click.Context) -> bool:
    return bool(ctx.ensure_object(dict).get("debug"))


def _debug(ctx: click.Context, _: click.Parameter, on: bool) -> None:
    if on:
        ctx.find_root().ensure_object(dict)["debug"] = True
        logging.getLogger().setLevel(logging.DEBUG)


def _debug_option() -> click.Option:
    """Good before and behind the command's name."""
    return click.Option(
        ["--debug"],
        is_flag=True,
        expose_value=False,
        callback=_debug,
        help="Log what happens and show tracebacks.",
    )


_EXITS = "\n".join(f"  {code:3d}  {meaning}" for code, meaning in MEANINGS.items())


@click.group(
    cls=_Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    params=[_debug_option()],
    epilog=f"\b\nExit codes:\n{_EXITS}",
)
@click.version_option(__version__)
def main() -> None:
    """ChargePoint EV charging stations as register-based VOLTTRON devices."""
    level = logging.getLogger().level
    serves = click.get_current_context().invoked_subcommand in _SERVERS
    # The other commands say an error themselves, once.
    handler = LogHandler(without=None if serves else "chargepoint_driver.cache.circuit_breaker")
    logging.basicConfig(format="%(levelname)s %(message)s", handlers=[handler])
    if not _debugs(click.get_current_context()):
        level = logging.ERROR
    logging.getLogger().setLevel(level)
