"""`chargepoint-driver completion`: what makes a shell complete commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

__all__ = ["completion"]

_PROGRAM = "chargepoint-driver"


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
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the shell completion script."""
    kind = get_completion_class(shell)
    assert kind is not None
    source = kind(ctx.find_root().command, {}, _PROGRAM, "_CHARGEPOINT_DRIVER_COMPLETE").source()
    click.echo(source)
