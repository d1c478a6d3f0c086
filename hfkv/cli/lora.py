"""``hfkv lora``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hfkv.cli.options import (
    chosen_format,
    format_options,
    line_option,
    lora_options,
    no_line,
    source_options,
)
from hfkv.cli.output import emit, read_model, say_beside, unheard, waiting, warn
from hfkv.cli.strict import require_exact, strict_option
from hfkv.cli.train_options import asked, train_options
from hfkv.errors import ConfigError, NotFoundError, UnsupportedError

if TYPE_CHECKING:
    from hfkv.model import Model
    from hfkv.peft.lora import Lora, LoraOptions
    from hfkv.peft.methods import Adapter
    from hfkv.render.formats import Format


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


@click.command()
@click.argument("model")
@lora_options
@click.option(
    "--adapter-config",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="Take every option from a PEFT adapter_config.json.",
)
@click.option(
    "--exclude-modules",
    metavar="NAME,NAME|REGEX",
    help="Modules LoRA leaves alone: names or endings of them; or, where it has signs such as .* "
    "or after regex:, one regular expression for the whole name.",
)
@click.option("--layers-to-transform", metavar="N,N", help="Only these layers.")
@click.option("--layers-pattern", metavar="NAME", help="The name of the list of layers.")
@click.option("--rank-pattern", metavar="PATTERN=R,...", help="Other ranks for some modules.")
@click.option("--modules-to-save", metavar="NAME,NAME", help="Modules trained and saved whole.")
@click.option("--target-parameters", metavar="NAME,NAME", help="Plain parameters to adapt.")
@click.option("--bias", type=click.Choice(["none", "all", "lora_only"]), help="Biases trained.")
@click.option("--dora", "use_dora", is_flag=True, help="DoRA: a magnitude per output.")
@click.option("--lora-bias", is_flag=True, help="A bias on lora_B.")
@click.option(
    "--basis",
    type=click.Choice(["auto", "live"]),
    default="auto",
    help="live: on the class that the installed transformers builds, without a header.",
)
@click.option("--layers", "by_layer", is_flag=True, help="Parameters layer by layer.")
@click.option("--explain", is_flag=True, help="The arithmetic, with where each number came from.")
@click.option("--snippet", is_flag=True, help="Print the LoraConfig(...) that makes this adapter.")
@strict_option
@train_options
@line_option
@source_options
@format_options
@click.pass_context
def lora(
    ctx: click.Context,
    /,
    model: str,
    rank: int,
    target_modules: str | tuple[str, ...] | None,
    lora_dtype: str,
    adapter_config: Path | None,
    basis: str,
    by_layer: bool,
    explain: bool,
    snippet: bool,
    strict: bool,
    revision: str | None,
    source: str,
    token: str | None,
    transformers: str | None,
    **flags: Any,
) -> int:
    """The LoRA adapter that PEFT would make on MODEL, to the last parameter.

    \b
      hfkv lora meta-llama/Meta-Llama-3-70B --rank 32
      hfkv lora Qwen/Qwen3-8B --target-modules q_proj,v_proj --dora
      hfkv lora mistralai/Mistral-7B-v0.3 --adapter-config adapter_config.json
      hfkv lora Qwen/Qwen3-8B --rank 16 --train --base-dtype 4bit --sequence 4k

    MODEL may be an adapter repository: its base model and its config are then read. Where there
    are no safetensors headers, config.json alone is enough for classes that it says all of.
    """
    from hfkv.peft.lora import LoraOptions

    output = chosen_format()
    train = asked(ctx, flags)
    options = _options(flags)
    if basis == "live":
        no_line(transformers)
    if adapter_config is not None and (
        options or ctx.get_parameter_source("rank") is not click.core.ParameterSource.DEFAULT
    ):
        raise click.UsageError("--adapter-config states every option; give no other beside it.")
    loaded = read_model(
        model, output, revision=revision, source=source, token=token, transformers=transformers
    )
    figure: Adapter
    if adapter_config is not None:
        config = read_adapter_config(adapter_config)
        if basis == "live" and config.get("peft_type", "LORA") == "LORA":
            figure = _count(loaded, LoraOptions.from_config(config), lora_dtype, basis, output)
        else:
            figure = loaded.adapter(config, dtype=lora_dtype)
    elif "adapter_config.json" in loaded.facts.extra and not options:
        figure = loaded.adapter(dtype=lora_dtype)
    else:
        chosen = LoraOptions.from_options(r=rank, target_modules=target_modules, **options)
        figure = _count(loaded, chosen, lora_dtype, basis, output)
    if strict:
        require_exact(figure)
    if basis != "live":
        say_beside([loaded])
    if snippet:
        click.echo(figure.snippet())
        warn([*_unheard(ctx, "--snippet", _BESIDE_SNIPPET), *figure.warnings])
        return 0
    if train is not None:
        unused = _unheard(ctx, "--train", _BESIDE_TRAIN)
        _print_training(loaded, figure, output, train, [*unused, *figure.warnings], strict=strict)
        return 0
    _print(loaded, figure, output, by_layer=by_layer, explain=explain)
    return 0


#: What changes nothing beside ``--train``, by the names of the parameters; and ``--snippet``.
_BESIDE_TRAIN = {"explain": "--explain", "by_layer": "--layers", "lora_dtype": "--lora-dtype"}
_BESIDE_SNIPPET = {
    "train": "--train",
    **_BESIDE_TRAIN,
    "output": "--format",
    "json": "--json",
    "quiet": "--quiet",
}


def _unheard(ctx: click.Context, beside: str, flags: Mapping[str, str]) -> list[str]:
    """What was typed of these and changes nothing."""
    return [
        f"{flag} changes nothing with {beside}"
        for name, flag in flags.items()
        if ctx.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT
    ]


#: What an agent is told of an adapter; with ``--layers`` all of them.
_AGENT = "model source commit r parameters bytes dtype modules trainable_percent basis"


def _print(
    loaded: Model, figure: Adapter, output: Format, *, by_layer: bool, explain: bool
) -> None:
    """LoRA with its targets, the other methods with what they have."""
    from hfkv.peft.lora import Lora
    from hfkv.render.origin import with_origin

    quiet = [str(figure.parameters)]
    if not isinstance(figure, Lora):
        from hfkv.render.adapter import sheets, tidy

        value = with_origin(loaded, figure.to_json())
        emit(
            output,
            value,
            sheets=lambda: sheets(loaded, figure),
            quiet=lambda: quiet,
            tidy=lambda: tidy(loaded, figure, value),
            warnings=figure.warnings,
        )
        return
    from hfkv.render import lora as render

    value = with_origin(loaded, figure.to_json(layers=by_layer))
    if explain:
        value["explain"] = figure.explain()
    emit(
        output,
        value,
        sheets=lambda: render.sheets(loaded, figure, by_layer=by_layer, explain=explain),
        quiet=lambda: quiet,
        tidy=lambda: render.tidy(loaded, figure, value, by_layer=by_layer),
        agent="" if by_layer else _AGENT,
        warnings=[*unheard(output, explain=explain, layers=by_layer), *figure.warnings],
    )


def _print_training(
    loaded: Model,
    figure: Adapter,
    output: Format,
    train: dict[str, Any],
    warnings: list[str],
    *,
    strict: bool,
) -> None:
    from hfkv.peft.lora import Lora
    from hfkv.render import train as render
    from hfkv.render.origin import with_origin

    if not isinstance(figure, Lora):
        raise UnsupportedError(
            f"what training {figure.method} takes is not counted",
            where=loaded.model,
            expected="a LoRA adapter",
        )
    found = loaded.training(figure, **train)
    if strict:
        # Activations are estimated, and in no sum.
        require_exact(found)
    value = with_origin(loaded, found.to_json())
    emit(
        output,
        value,
        sheets=lambda: render.sheets(loaded, found),
        quiet=lambda: [str(found.bytes)],
        tidy=lambda: render.tidy(loaded, found, value),
        warnings=warnings,
    )


def _count(loaded: Model, options: LoraOptions, dtype: str, basis: str, output: Format) -> Lora:
    if basis != "live" or loaded.core.config is None:
        return loaded.lora(options, dtype=dtype)
    from hfkv.live.modules import live_built
    from hfkv.peft.base import Base
    from hfkv.peft.lora import count

    with waiting(f"building {loaded.model} on the meta device", output):
        built = live_built(loaded.core.config)
    return count(Base(loaded.core, known=built), options, dtype=dtype)


def _modules(text: str) -> str | list[str]:
    # As in PEFT: a list is of names, a single string is a regular expression.
    from hfkv.peft.unused import looks_like_expression

    if text.startswith("regex:") or looks_like_expression(text):
        return text.removeprefix("regex:")
    return _names(text)


def _layers(text: str) -> list[int]:
    try:
        return [int(item) for item in _names(text)]
    except ValueError:
        raise click.BadParameter(
            "expected layer numbers such as 0,1,2", param_hint="--layers-to-transform"
        ) from None


def _ranks(text: str) -> dict[str, int]:
    found = {}
    for item in _names(text):
        pattern, _, rank = item.rpartition("=")
        if not pattern or not (rank.isascii() and rank.isdigit()):
            raise click.BadParameter(
                f"{item!r}: expected PATTERN=RANK such as q_proj=8", param_hint="--rank-pattern"
            )
        found[pattern] = int(rank)
    return found


#: The fields of ``LoraConfig`` that have an option of their name, and how it is read.
_FIELDS: dict[str, Callable[[Any], Any]] = {
    "modules_to_save": _names,
    "target_parameters": _names,
    "exclude_modules": _modules,
    "layers_to_transform": _layers,
    "layers_pattern": str,
    "rank_pattern": _ranks,
    "use_dora": bool,
    "lora_bias": bool,
    "bias": str,
}


def _options(flags: dict[str, Any]) -> dict[str, Any]:
    """The fields of ``LoraConfig`` that were given, with the values PEFT takes."""
    given = {name: flags[name] for name in _FIELDS if flags[name] not in (None, False)}
    return {name: _FIELDS[name](value) for name, value in given.items()}


def read_adapter_config(path: Path) -> dict[str, Any]:
    """A PEFT ``adapter_config.json`` as it stands.

    Raises:
        NotFoundError, ConfigError: it is not there, or cannot be read.
    """
    from hfkv.reading import parse_json_object

    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise NotFoundError("no such file", where=str(path)) from None
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=str(path)) from None
    return parse_json_object(raw, where=str(path))
