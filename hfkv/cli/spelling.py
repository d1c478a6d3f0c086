"""Messages for the command line: arguments that the library names are the flags that one types."""

from __future__ import annotations

import re

import click

__all__ = ["as_flags"]

#: As the library writes them: an argument between backticks, perhaps with a value.
_ARGUMENT = re.compile(r"`([a-z][a-z_]*)(?:=([^`]*))?`")
#: What the command calls otherwise.
_OTHERWISE = {"r": "rank", "budget": "fit"}


def as_flags(text: str, command: click.Command | None) -> str:
    """The text with each argument that is an option of ``command`` as its flag.

    What a command has once is ``--kv-dtype`` of ``kv`` and ``--lora-dtype`` of ``lora`` for
    ``dtype``.

    >>> command = click.Command("kv", params=[click.Option(["--kv-dtype"]),
    ...     click.Option(["--check/--no-check"]), click.Option(["--revision"])])
    >>> as_flags("`dtype`: give it, or `check=False`, or `revision='v1'`; not `this`", command)
    '--kv-dtype: give it, or --no-check, or --revision v1; not `this`'
    """
    options = {
        str(option.name): option
        for option in (command.params if command is not None else ())
        if isinstance(option, click.Option)
    }

    def flag(found: re.Match[str]) -> str:
        name, value = _OTHERWISE.get(found[1], found[1]), found[2]
        parts = [options[key] for key in (f"kv_{name}", f"lora_{name}") if key in options]
        # An engine may have a flag of its own by the plain name.
        option = parts[0] if len(parts) == 1 else options.get(name)
        if option is None:
            return found[0]
        if value == "False" and option.secondary_opts:
            return option.secondary_opts[0]
        said = option.opts[0]
        return said if value in (None, "True") else f"{said} {value.strip(chr(39))}"

    return _ARGUMENT.sub(flag, text)
