"""``locktender completion``."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from cli.desk import Desk
from cli.options import verb
from cli.output import Answer

EXAMPLE = """
locktender completion bash > ~/.local/share/bash-completion/completions/locktender
locktender completion zsh > ~/.zfunc/_locktender
locktender completion fish > ~/.config/fish/completions/locktender.fish
"""


@verb("completion", EXAMPLE)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(_desk: Desk, shell: str) -> Answer:
    """Print the script that makes SHELL complete Locktender's verbs and options.

    Put it where your shell looks for completions, once; it needs no update when verbs are added.
    """
    from cli.__main__ import NAME, commands

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"There are no completions for {shell}.")
    script = kind(commands, {}, NAME, f"_{NAME.upper()}_COMPLETE").source()
    return Answer({"shell": shell, "script": script}, lambda: [script])
