"""The command line: parse, one library call, render.

Each command is one module here, imported only when it is run, so that ``hfkv --help`` costs no
more than click itself.
"""

from __future__ import annotations

import io
import os
import sys
from importlib import import_module

import click

from hfkv.errors import AddressError, HfkvError, InputError, TargetError
from hfkv.reading import printable

__all__ = ["cli", "main"]

#: Command to its one-line help; the module and the attribute bear the command's name.
COMMANDS = {
    "compare": "Bytes per token in context, in a LoRA adapter and in pretraining; ratios.",
    "kv": "The KV cache of a model, to the byte; with --fit, how many tokens a budget holds.",
    "lora": "The LoRA adapter that PEFT would make, per target module.",
    "rank": "Which LoRA ranks are worth a look against the cache, the weights, the literature.",
    "tokens": "How many tokens a model saw in pretraining, with the sentence that says so.",
    "survey": "The same figures of many models as one table; it goes on where it was ended.",
    "plot": "The two charts of the question, as PNG, SVG or PDF.",
    "verify": "The KV cache, or an adapter, by hfkv and by the installed libraries.",
    "check": "What a repository says of models, held against them; a hook before each commit.",
    "lock": "Write hfkv.lock, by which hfkv check needs no network.",
    "cache": "What is kept of models that were read, and --clear to remove it.",
    "mcp": "The same as tools for agents: a server of the Model Context Protocol.",
    "architectures": "Every model_type whose KV cache is known, and how it is known.",
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = getattr(import_module(f"hfkv.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            near = get_close_matches(args[0].lower(), COMMANDS, 1)
            if near and "Did you mean" not in error.message:
                hint = f"{error.message} Did you mean '{near[0]}'?"
                raise click.UsageError(hint, ctx) from None
            raise

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except HfkvError as error:
            from hfkv.cli.spelling import as_flags

            command = self.get_command(ctx, ctx.invoked_subcommand or "")
            raise error.spelled(lambda text: as_flags(text, command)) from error.__cause__

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # Written from the table above: asking each command for its help would import it.
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _version(context: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked and not context.resilient_parsing:
        from hfkv.versions import said, tables

        click.echo(f"{tables()['hfkv']} (figures of {said('transformers', 'peft')})")
        context.exit()


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="MODEL is a Hub id or the address of its page, a directory with config.json, or the "
    "path of a config.json or a GGUF file; ORG/NAME@REV is a revision of it, ORG/NAME:Q4_K_M one "
    "of a repository's GGUF files.",
)
@click.option(
    "-v",
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Show the version, and of which libraries' versions the figures are, and exit.",
)
def cli() -> None:
    """What a token leaves behind, for any model on the Hugging Face Hub.

    \b
      hfkv compare meta-llama/Meta-Llama-3-70B
      hfkv kv Qwen/Qwen3-8B --fit 24GiB
      hfkv rank google/gemma-3-27b-it --tokens 100k

    Bytes of KV cache when it is read in context, of LoRA adapter when it is fine-tuned on, of
    weights when it is pretrained on. Exact, each with how it is known; no weights are downloaded.
    """


def main() -> None:
    """Run the command: exit 0 if what was asked was answered, 1 if not, 2 on misuse."""
    for stream in (sys.stdout, sys.stderr):
        # What the encoding of a console or a pipe cannot say is written as escapes.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = cli.main(prog_name=_called(), standalone_mode=False, windows_expand_args=False)
        sys.stdout.flush()
    except click.exceptions.Abort:
        # click turns Ctrl-C into this; 130 is what a shell expects of an interrupted command.
        _say("Aborted.")
        code = 130
    except KeyboardInterrupt:
        _say("Aborted.")
        code = 130
    except click.ClickException as error:
        # It repeats what was typed, and a name may have been pasted from anywhere.
        said = io.StringIO()
        error.show(said)
        lines = said.getvalue().expandtabs(4).splitlines()  # click's own, before choices
        _say("\n".join(printable(line, 4000) for line in lines))
        code = error.exit_code
    except BrokenPipeError:
        # The reader (head, less) has gone; what is still buffered has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except HfkvError as error:
        _say(f"Error: {printable(str(error), 4000)}")
        _debug()
        # A bad argument is misuse; that a model lacks the target, or that no model can be called
        # so, however the name is written, is an answer it could not give.
        answer = isinstance(error, (AddressError, TargetError))
        code = 2 if isinstance(error, InputError) and not answer else 1
    except OSError as error:
        _say(f"Error: {printable(str(error), 2000)}")
        _debug()
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


def _called() -> str | None:
    """The name that one calls the command by: ``hf kv`` where ``hf`` started it as an extension."""
    name = os.path.basename(sys.argv[0]).removesuffix(".exe")
    return "hf kv" if name == "hf-kv" else None


def _say(message: str) -> None:
    click.echo(message, err=True)


def _debug() -> None:
    # The same variable that huggingface_hub's own command takes.
    if os.environ.get("HF_DEBUG", "").upper() in ("1", "ON", "YES", "TRUE"):
        import traceback

        traceback.print_exc()
