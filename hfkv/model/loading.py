"""Reading a model: the only part of the public API that does I/O."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, overload

from hfkv.errors import ConfigError, HfkvError, InputError, InputTypeError
from hfkv.facts import BaseCard, Facts, read
from hfkv.model.figures import Model
from hfkv.reading import describe
from hfkv.release_lines import line_of

if TYPE_CHECKING:
    from hfkv.source.files import Files, Source

__all__ = ["Header", "ModelLike", "TransformersConfig", "aload", "aload_many", "load", "load_many"]

#: A fine-tune of a fine-tune of a base is common; longer chains repeat what was read already.
_LINEAGE_STEPS = 4
#: An adapter trained on an adapter is rare, and more than that a loop.
_ADAPTER_STEPS = 3


class TransformersConfig(Protocol):
    """A config object of transformers, told from others without transformers."""

    def to_json_string(self) -> str:
        """What ``save_pretrained`` writes to ``config.json``."""


#: What :func:`load` takes for a model: a name or a path, or what ``config.json`` holds.
ModelLike: TypeAlias = "str | os.PathLike[str] | Mapping[str, Any] | TransformersConfig"
#: What safetensors headers hold: names to dtypes and shapes, in one mapping or in several.
Header: TypeAlias = "Mapping[str, Any] | Iterable[Mapping[str, Any]]"


@overload
def load(
    model: str | os.PathLike[str],
    *,
    revision: str | None = None,
    source: Source = "auto",
    token: str | bool | None = None,
    transformers: str | None = None,
) -> Model: ...


@overload
def load(
    model: Mapping[str, Any] | TransformersConfig,
    *,
    header: Header | None = None,
    card: str | None = None,
    name: str | None = None,
    transformers: str | None = None,
) -> Model: ...


def load(
    model: ModelLike,
    *,
    revision: str | None = None,
    source: Source = "auto",
    token: str | bool | None = None,
    header: Header | None = None,
    card: str | None = None,
    name: str | None = None,
    transformers: str | None = None,
) -> Model:
    """Read what is needed of a model: config, safetensors headers, card. Never weights, no code.

    Args:
        model: a Hub id, a directory with ``config.json`` (and ``*.safetensors``, ``README.md``),
            or the path of a ``config.json`` or of a GGUF file. ``ORG/NAME:Q4_K_M`` is one of the
            GGUF files of a repository, by its quantization or name. A :class:`~pathlib.Path` is
            always a path. Or the config itself, as a mapping or as an object of transformers:
            nothing is then read from anywhere.
        revision: branch, tag, ``refs/pr/N`` or commit; the default branch unless given.
        source: ``auto`` (a path; the Hub; the local Hugging Face cache; a bundled snapshot), or
            one of ``hub``, ``cache``, ``directory``, ``snapshot`` to use only that.
        token: a Hub token, True for the stored one, False for none; huggingface_hub's default
            unless given.
        header: with a config: the names of the tensors to their dtypes and shapes, as a
            safetensors header has them (``{"dtype": "BF16", "shape": [4, 4], ...}``) or as any
            object with ``dtype`` and ``shape`` (a ``state_dict()`` on the meta device). One
            mapping, or several for shards.
        card: with a config: the text of the model card.
        name: with a config: what to call the model; by a Hub id what is known of its pretraining
            is found.
        transformers: the line of releases that figures are of, ``"4.57"``; the newest unless
            given.

    Raises:
        SourceError: the files could not be had; the message names the ways out.
        ConfigError, HeaderError, RecordError: a file is malformed.
        InputError, InputTypeError: an argument is not usable.

    >>> import hfkv
    >>> tiny = {"model_type": "llama", "hidden_size": 64, "num_attention_heads": 4,
    ...         "num_hidden_layers": 2, "dtype": "bfloat16"}
    >>> hfkv.load(tiny, name="tiny").kv_cache(tokens=10).bytes
    5120
    """
    line_of(transformers)  # refused before anything is read
    if isinstance(model, (str, os.PathLike)):
        if header is not None or card is not None or name is not None:
            raise InputError(
                "a model that is read has its own",
                where="`header`, `card`, `name`",
                expected="them beside a config alone",
            )
        found = _read(model, revision=revision, source=source, token=token)
        return found.with_transformers(transformers)
    if revision is not None or token is not None or source != "auto":
        raise InputError(
            "a config is not read from anywhere",
            where="`revision`, `source`, `token`",
            expected="none of them beside a config",
        )
    from hfkv.source.given import files_given

    files = files_given(model, header=header, card=card, name=name)
    return _complete(files, source="given", token=None).with_transformers(transformers)


def _read(
    model: str | os.PathLike[str],
    *,
    revision: str | None,
    source: Source,
    token: str | bool | None,
) -> Model:
    from hfkv.source import fetch

    path = os.fspath(model)
    for argument, value, taken in (
        ("model", path, str),
        ("revision", revision, (str, type(None))),
        ("source", source, str),
        ("token", token, (str, bool, type(None))),
    ):
        if not isinstance(value, taken):
            raise InputTypeError(f"found {describe(value)}", where=f"`{argument}`")
    if not isinstance(model, str):
        # What was made a path is none of a repository.
        if source not in ("auto", "directory"):
            raise InputError(
                f"found {source!r}", where="`source`", expected="'directory' for a path"
            )
        source = "directory"
    files = fetch(path, revision=revision, source=source, token=token)
    return _complete(files, source=source, token=token)


def _complete(
    files: Files,
    *,
    source: Source | Literal["given"],
    token: str | bool | None,
    above: tuple[str, ...] = (),
) -> Model:
    """Facts of the files, with what they point to: an adapter's base, a fine-tune's base cards.

    ``above`` are the adapters that led here.
    """
    from hfkv.source import fetch, is_path

    facts = read(files)
    adapter = facts.extra.get("adapter_config.json")
    if facts.config is not None or adapter is None:
        return Model(_with_lineage(facts, source=source, token=token))
    from hfkv.peft.methods import refuse_foreign

    refuse_foreign(adapter, where=f"{facts.model}: adapter_config.json")
    name = adapter.get("base_model_name_or_path")
    if not isinstance(name, str) or not name:
        raise ConfigError(
            f"found {describe(name)}",
            where=f"{facts.model}: adapter_config.json: base_model_name_or_path",
            expected="the id of the model that the adapter was trained on",
        )
    place = f"{facts.model}: adapter_config.json: base_model_name_or_path"
    if facts.source != "directory" and is_path(name):
        # What a repository says must not choose what is read on this machine.
        raise ConfigError(
            f"found {describe(name)}",
            where=place,
            expected="the id of a model on the Hub",
            hint="it names a path, of the machine that the adapter was trained on",
        )
    if len(above) >= _ADAPTER_STEPS or name in above:
        raise ConfigError(
            f"{describe(name)} is an adapter again, {len(above)} steps on",
            where=place,
            expected="the model that the adapter was trained on",
        )
    revision = adapter.get("revision")
    found = fetch(name, revision=revision if isinstance(revision, str) else None, token=token)
    base = _complete(found, source="auto", token=token, above=(*above, name))
    return Model(replace(facts, base=base.facts))


def _with_lineage(facts: Facts, *, source: str, token: str | bool | None) -> Facts:
    """Follow ``base_model`` in the card's metadata while no card states a pretraining count.

    A base that cannot be read costs only its card: the model's own figures must not depend on it.
    """
    if facts.source not in ("hub", "cache", "directory") or "base_model" not in (facts.card or ""):
        return facts
    if facts.source == "directory":
        # It was named to stay on this machine: only the local cache is asked for its base.
        source = "cache"
    from hfkv.pretraining import base_models, pretraining
    from hfkv.source import fetch_card

    beside = None if facts.commit is None else (facts.model, facts.commit)
    lineage: list[BaseCard] = []
    notes: list[str] = []
    seen = {facts.model.lower()}
    card: str | None = facts.card
    while card is not None and len(lineage) < _LINEAGE_STEPS:
        bases = [base for base in base_models(card) if base[0].lower() not in seen]
        # A merge names several bases: none of them alone says what this model saw.
        if len(bases) != 1:
            break
        # A figure published elsewhere waits until no card in the line states one.
        if pretraining(replace(facts, lineage=tuple(lineage))).basis == "stated":
            break
        name, relation = bases[0]
        seen.add(name.lower())
        try:
            card, commit = fetch_card(name, source=source, token=token, beside=beside)
        except HfkvError as error:
            if facts.source == "directory":
                break
            notes.append(f"the card of its base model {name} could not be read: {error}")
            break
        lineage.append(BaseCard(model=name, card=card, commit=commit, relation=relation))
    return replace(facts, lineage=tuple(lineage), notes=(*facts.notes, *notes))


def load_many(
    models: Iterable[ModelLike],
    *,
    revision: str | None = None,
    source: Source = "auto",
    token: str | bool | None = None,
    transformers: str | None = None,
) -> list[Model | HfkvError]:
    """:func:`load` for many models at once, their fetches overlapped.

    All share one limit of open connections, and one answer to a server that asks to wait
    (``Retry-After``, ``RateLimit``).

    Returns:
        One entry per model, in order: the model, or the error that kept it from being read.

    Raises:
        InputTypeError: a lone name is given, where a list of them is meant.
    """
    from hfkv.source import overlap

    if isinstance(models, (str, bytes, os.PathLike, Mapping)) or not isinstance(models, Iterable):
        raise InputTypeError(
            f"found {describe(models)}",
            where="`models`",
            expected="a list of models",
            hint="load takes one",
        )

    def read(model: ModelLike) -> Model:
        if isinstance(model, (str, os.PathLike)):
            return load(
                model, revision=revision, source=source, token=token, transformers=transformers
            )
        return load(model, transformers=transformers)

    return overlap(read, list(models))


async def aload(
    model: str | os.PathLike[str],
    *,
    revision: str | None = None,
    source: Source = "auto",
    token: str | bool | None = None,
    transformers: str | None = None,
) -> Model:
    """:func:`load` for use in an event loop, which goes on meanwhile.

    Cancelling it (``asyncio.timeout``, a task group) ends its requests at once.
    """
    from hfkv.source import in_background

    return await in_background(
        lambda: load(
            model, revision=revision, source=source, token=token, transformers=transformers
        )
    )


async def aload_many(
    models: Iterable[ModelLike],
    *,
    revision: str | None = None,
    source: Source = "auto",
    token: str | bool | None = None,
    transformers: str | None = None,
) -> list[Model | HfkvError]:
    """:func:`load_many` for use in an event loop, which goes on meanwhile."""
    from hfkv.source import in_background

    return await in_background(
        lambda: load_many(
            models, revision=revision, source=source, token=token, transformers=transformers
        )
    )
