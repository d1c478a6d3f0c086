"""``hfkv verify``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hfkv.cli.engine_options import chosen_engine, engine_options
from hfkv.cli.options import (
    batch_option,
    chosen_format,
    format_options,
    kv_options,
    source_options,
    tokens_option,
)
from hfkv.cli.output import emit, read_model, waiting

if TYPE_CHECKING:
    from hfkv.model import Model
    from hfkv.render.formats import Format


@click.command()
@click.argument("model")
@tokens_option(default=None)
@batch_option
@kv_options
@click.option("--rank", type=click.IntRange(min=1), help="Verify a LoRA adapter of this rank.")
@click.option(
    "--target-modules",
    metavar="all-linear|default|NAME,NAME|regex:...",
    help="What LoRA adapts.  [default: all-linear]",
)
@click.option(
    "--adapter-config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Verify the adapter of a PEFT adapter_config.json.",
)
@click.option(
    "--log",
    "log_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Hold the start-up log of vLLM, SGLang or llama.cpp against MODEL.",
)
@engine_options()
@source_options
@format_options
def verify(
    model: str,
    tokens: int | None,
    rank: int | None,
    target_modules: str | None,
    adapter_config: Path | None,
    log_file: Path | None,
    batch: int,
    kv_dtype: str,
    encoder_tokens: int | None,
    crosscheck: bool,
    **place: Any,
) -> int:
    """MODEL's KV cache, or LoRA adapter, by hfkv and by the installed transformers and PEFT.

    \b
      hfkv verify google/gemma-3-12b-it
      hfkv verify Qwen/Qwen3-8B --tokens 32Ki --json
      hfkv verify Qwen/Qwen3-8B --rank 32
      hfkv verify Qwen/Qwen3-8B --adapter-config adapter_config.json
      hfkv verify Qwen/Qwen3-8B --log vllm.log

    The model is built on the meta device: no weights are read, no code from a
    repository is run. Needs the extra: pip install 'hfkv[verify]'. By default
    --tokens is beyond the longest window, at least 1,000. Exits 1 where the two
    differ. With --log nothing is built: what an engine said of its cache when it
    started is held against hfkv's rules for that engine, within the printed digits;
    what the log does not say of its options is given with --engine.
    """
    from hfkv.live.verify import verify as check
    from hfkv.render.verify import sheets

    output = chosen_format()
    if adapter_config is not None and (rank is not None or target_modules is not None):
        raise click.UsageError("--adapter-config states every option; give no other beside it.")
    engine = chosen_engine(kv_dtype if log_file is not None else "auto")
    if engine is not None and log_file is None:
        raise click.UsageError("--engine and its flags go with --log.")
    loaded = read_model(model, output, **place)
    if log_file is not None:
        from hfkv.cli.verify_log import verify_log

        return verify_log(loaded, log_file, engine, output)
    if rank is not None or target_modules is not None or adapter_config is not None:
        return _adapter(loaded, rank, target_modules, adapter_config, output)
    with waiting(f"building {model} on the meta device", output):
        found = check(
            loaded.core,
            tokens=tokens,
            batch=batch,
            dtype=kv_dtype,
            encoder_tokens=encoder_tokens,
            crosscheck=crosscheck,
        )
    emit(
        output,
        found.to_json(),
        sheets=lambda: sheets(found),
        quiet=lambda: [str(found.live.bytes)],
        agent="model reference tokens batch dtype agree hfkv.bytes hfkv.basis live.bytes "
        "difference_bytes",
    )
    return 1 if found.agree is False else 0


def _adapter(
    loaded: Model,
    rank: int | None,
    target_modules: str | None,
    adapter_config: Path | None,
    output: Format,
) -> int:
    from hfkv.cli.lora import read_adapter_config
    from hfkv.live.verify_lora import verify_lora
    from hfkv.peft.lora import LoraOptions
    from hfkv.render.verify_lora import sheets

    if adapter_config is not None:
        options = LoraOptions.from_config(read_adapter_config(adapter_config))
    else:
        targets = LoraOptions.parse_targets(target_modules or "all-linear")
        options = LoraOptions.from_options(r=rank or 32, target_modules=targets)
    with waiting(f"building {loaded.model} on the meta device", output):
        found = verify_lora(loaded.core, options)
    emit(
        output,
        found.to_json(),
        sheets=lambda: sheets(found),
        quiet=lambda: [str(found.trainable)],
        agent="model reference r agree hfkv.trainable hfkv.all hfkv.basis live.trainable live.all",
    )
    return 1 if found.agree is False else 0
