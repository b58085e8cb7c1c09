"""`chargepoint-driver`: the group of commands and what they share."""

from __future__ import annotations

import logging
from typing import Any

import click
from click.shell_completion import get_completion_class

from chargepoint_driver import __version__
from chargepoint_driver.cli.check import check
from chargepoint_driver.cli.csms import csms
from chargepoint_driver.cli.diagnostics import diagnostics
from chargepoint_driver.cli.discover import discover
from chargepoint_driver.cli.exits import MEANINGS, exit_code
from chargepoint_driver.cli.plot import plot
from chargepoint_driver.cli.points import points
from chargepoint_driver.cli.questions import ask
from chargepoint_driver.cli.read import read
from chargepoint_driver.cli.screen import complain
from chargepoint_driver.cli.sessions import sessions
from chargepoint_driver.cli.sim import sim
from chargepoint_driver.cli.watch import watch
from chargepoint_driver.cli.web import web
from chargepoint_driver.cli.write import write
from chargepoint_driver.errors import ChargePointError

__all__ = ["main"]

_PROGRAM = "chargepoint-driver"
_DEFECT = 70
_INTERRUPTED = 130


class _Group(click.Group):
    """Errors end a command with a sentence and an exit code, never with a traceback, unless
    --debug asks for one."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ChargePointError as error:
            if _debugs(ctx):
                raise
            complain(str(error))
            ctx.exit(exit_code(error))
        except (KeyboardInterrupt, click.Abort):
            complain("interrupted", "warning")
            ctx.exit(_INTERRUPTED)
        except (click.ClickException, click.exceptions.Exit, BrokenPipeError):
            raise
        except Exception as error:
            if _debugs(ctx):
                raise
            complain(
                f"{type(error).__name__}: {error} - this is a defect of the program; "
                "run the command again with --debug to see where"
            )
            ctx.exit(_DEFECT)


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
    logging.basicConfig(format="%(levelname)s %(message)s")
    if not _debugs(click.get_current_context()):
        level = logging.ERROR
    logging.getLogger().setLevel(level)


@click.command(
    epilog=f"""\b
Example:
  {_PROGRAM} completion bash
\b
To have it in every new shell:
  echo 'eval "$({_PROGRAM} completion bash)"' >> ~/.bashrc
"""
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes a shell complete commands and options."""
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(main, {}, _PROGRAM, "_CHARGEPOINT_DRIVER_COMPLETE").source())


for _command in (
    ask,
    check,
    completion,
    csms,
    diagnostics,
    discover,
    plot,
    points,
    read,
    sessions,
    sim,
    watch,
    web,
    write,
):
    _command.params.append(_debug_option())
    main.add_command(_command)
