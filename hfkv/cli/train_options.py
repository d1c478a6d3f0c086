"""``hfkv lora --train``: how an adapter is trained, as options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from hfkv.cli.options import TOKENS

__all__ = ["asked", "train_options"]

_F = TypeVar("_F", bound=Callable[..., Any])

#: Names in the command line to those of :func:`hfkv.training.training`.
_NAMES = {
    "optimizer": "optimizer",
    "strategy": "strategy",
    "gpus": "gpus",
    "base_dtype": "base_dtype",
    "train_batch": "batch",
    "sequence": "sequence",
    "gradient_checkpointing": "checkpointing",
    "autocast_adapter": "autocast",
    "prepare_kbit": "prepare",
}

#: A flag that is called otherwise than its option.
_FLAGS = {"train_batch": "--batch"}

_OPTIONS = (
    click.option("--train", is_flag=True, help="What training the adapter takes."),
    click.option(
        "--optimizer",
        default="adamw",
        show_default=True,
        metavar="NAME",
        help="With --train: adamw, adamw8bit, paged, sgd, muon, lomo..., or the name that "
        "TrainingArguments(optim=...) takes.",
    ),
    click.option("--gpus", type=click.IntRange(min=1, max=1_000_000), default=1, help="How many."),
    click.option(
        "--strategy",
        type=click.Choice(["ddp", "zero1", "zero2", "zero3", "fsdp"]),
        default=None,
        help="How they share it: DDP, DeepSpeed's ZeRO, FSDP2.",
    ),
    click.option(
        "--base-dtype",
        default="auto",
        show_default=True,
        metavar="auto|bf16|fp16|fp32|8bit|4bit",
        help="What the base model is held in while training.",
    ),
    click.option(
        "--batch",
        "train_batch",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help="Sequences on one GPU, for activations.",
    ),
    click.option("--sequence", type=TOKENS, default=None, help="Tokens in each: 4k."),
    click.option(
        "--gradient-checkpointing", is_flag=True, help="Layers are computed again, not stored."
    ),
    click.option(
        "--autocast-adapter/--no-autocast-adapter",
        default=True,
        help="PEFT's autocast_adapter_dtype: the adapter in float32.  [default: on]",
    ),
    click.option(
        "--prepare-kbit/--no-prepare-kbit",
        default=True,
        help="PEFT's prepare_model_for_kbit_training, in 8 and 4 bits.  [default: on]",
    ),
)


def train_options(command: _F) -> _F:
    """The options, read by :func:`asked`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def asked(ctx: click.Context, given: dict[str, Any]) -> dict[str, Any] | None:
    """The arguments of ``Model.training``, taken out of ``given``; None without ``--train``.

    Raises:
        UsageError: an option of training without it, or options that do not go together.
    """
    from hfkv.training.optimizers import ALIASES, OPTIMIZERS

    train = given.pop("train")
    found = {name: given.pop(option) for option, name in _NAMES.items()}
    stated = [
        _FLAGS.get(option, f"--{option.replace('_', '-')}")
        for option in _NAMES
        if ctx.get_parameter_source(option) is not click.core.ParameterSource.DEFAULT
    ]
    if not train:
        if stated:
            raise click.UsageError(f"{stated[0]} goes with --train.")
        return None
    if found["optimizer"] not in (*OPTIMIZERS, *ALIASES):
        raise click.BadParameter(
            f"{found['optimizer'][:40]!r}: expected one of {', '.join(OPTIMIZERS)}",
            param_hint="--optimizer",
        )
    if found["strategy"] is not None and found["gpus"] < 2:
        raise click.UsageError(f"--strategy {found['strategy']} needs --gpus 2 or more.")
    if found["strategy"] is None and found["gpus"] > 1:
        raise click.UsageError("Say with --strategy how the GPUs share the work.")
    if found["sequence"] is None and {"--batch", "--gradient-checkpointing"} & set(stated):
        raise click.UsageError("--sequence says how long the sequences are; give it as well.")
    return found
