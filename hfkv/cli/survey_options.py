"""Options of ``hfkv survey`` alone, in groups."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from hfkv.cli.options import together

__all__ = ["list_options", "question_options", "table_options", "work_options"]

_F = TypeVar("_F", bound=Callable[..., Any])


def _column(name: str, what: str) -> Callable[[_F], _F]:
    return click.option(f"--{name}-column", default=None, metavar="NAME", help=f"Column of {what}.")


#: Tables that one has, and which of their columns hold what.
table_options = together(
    click.option(
        "--cards",
        default=None,
        metavar="TABLE",
        help="Parquet or JSONL of model cards: no network.",
    ),
    click.option(
        "--configs", default=None, metavar="DIR|TABLE", help="Configs (and headers) that you have."
    ),
    _column("id", "ids"),
    _column("card", "cards"),
    _column("config", "configs, as JSON"),
    _column("header", "safetensors headers, as JSON"),
    _column("created", "when a model was made"),
)

#: The Hub's own list, as ``hf models ls`` takes it.
list_options = together(
    click.option("--author", multiple=True, help="Models of this user or organization."),
    click.option("--filter", "filters", multiple=True, help="A tag that they have."),
    click.option("--search", default=None, help="Words in the id."),
    click.option(
        "--sort",
        type=click.Choice(["created_at", "downloads", "last_modified", "likes", "trending_score"]),
        default=None,
        help="The largest or latest first.",
    ),
    click.option("--limit", type=click.IntRange(min=1), default=None, help="At most so many."),
)

#: What is asked of each model; several values are several rows.
question_options = together(
    click.option(
        "--rank",
        "-r",
        "ranks",
        type=click.IntRange(min=1, max=1_000_000),
        multiple=True,
        default=(32,),
        show_default=True,
        help="LoRA rank; several are several rows.",
    ),
    click.option(
        "--target-modules",
        default="all-linear",
        show_default=True,
        metavar="all-linear|default|NAME,NAME|regex:...",
        help="What LoRA adapts; default is PEFT's own mapping.",
    ),
    click.option(
        "--kv-dtype",
        "kv_dtypes",
        multiple=True,
        default=("auto",),
        show_default=True,
        help="Element type of the cache; several are several rows.",
    ),
    click.option(
        "--lora-dtype", default="auto", show_default=True, help="Element type of the adapter."
    ),
    click.option(
        "--engine",
        "engines",
        type=click.Choice(["transformers", "vllm", "sglang", "llama.cpp", "mlx"]),
        multiple=True,
        default=("transformers",),
        show_default=True,
        help="Who stores the cache; several are several rows.",
    ),
)

#: Where it is read from, and who works.
work_options = together(
    click.option(
        "--source",
        type=click.Choice(["auto", "hub", "cache", "snapshot"]),
        default="auto",
        show_default=True,
        help="Where to read from; auto tries them in this order.",
    ),
    click.option("--token", default=None, help="Hub token; by default the stored one or HF_TOKEN."),
    click.option("--on", default=None, metavar="dask://HOST:PORT", help="A cluster that does it."),
    click.option(
        "--workers",
        type=click.IntRange(min=1, max=256),
        default=None,
        help="Processes on this machine.  [default: one a core]",
    ),
)
