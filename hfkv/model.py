"""One model: facts read once, and every figure computed from them.

:func:`load` is the only call that does I/O; what a :class:`Model` answers afterwards is pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from hfkv.errors import ConfigError, HfkvError, InputError
from hfkv.facts import BaseCard, Facts, read
from hfkv.facts.agreement import CONTRADICTED, NOTHING, Agreement
from hfkv.facts.identity import CONTRADICTS
from hfkv.reading import describe, printable

if TYPE_CHECKING:
    from hfkv.cache import KVCache
    from hfkv.modules.built import Built
    from hfkv.peft.base import Base
    from hfkv.peft.lora import Lora
    from hfkv.peft.methods import Adapter
    from hfkv.peft.prompts import Prompt, PromptOptions
    from hfkv.pretraining import Pretraining
    from hfkv.source.files import Files, SourceName

    _Figure = TypeVar("_Figure", KVCache, Lora)

__all__ = ["Model", "aload", "aload_many", "load", "load_many"]

#: A fine-tune of a fine-tune of a base is common; longer chains repeat what was read already.
_LINEAGE_STEPS = 4
#: An adapter trained on an adapter is rare, and more than that a loop.
_ADAPTER_STEPS = 3


@dataclass(frozen=True)
class Model:
    """A model whose files have been read.

    Attributes:
        facts: everything that was read, untouched.

    >>> model = load("meta-llama/Meta-Llama-3-70B", source="snapshot")
    >>> model.model_type, model.parameters, model.weight_bytes
    ('llama', 70553706496, 141107412992)
    """

    facts: Facts

    @property
    def model(self) -> str:
        """The Hub id, or the path that was given."""
        return self.facts.model

    @property
    def source(self) -> SourceName:
        """Where the files came from: hub, cache, directory, snapshot or lock."""
        return self.facts.source

    @property
    def revision(self) -> str | None:
        """The branch, tag, ref or commit that was asked for; None for a directory."""
        return self.facts.revision

    @property
    def commit(self) -> str | None:
        """The full commit hash; None where there is none."""
        return self.facts.commit

    @property
    def core(self) -> Facts:
        """The facts that figures are computed from: of an adapter repository, its base model's."""
        return self.facts if self.facts.base is None else self.facts.base

    @cached_property
    def base(self) -> Base:
        """The same as adapters are put on it: its modules are made once, for all of them."""
        from hfkv.peft.base import Base

        return Base(self.core)

    @property
    def built(self) -> Built:
        """The modules that transformers would build.

        Raises:
            UnsupportedError: they cannot be told.
        """
        return self.base.built

    @property
    def model_type(self) -> str | None:
        """``model_type`` of the config, if it names one."""
        value = (self.core.config or {}).get("model_type")
        return value if isinstance(value, str) else None

    @property
    def parameters(self) -> int | None:
        """Elements of all tensors in the checkpoint; None where no header could be read."""
        return self.core.parameters

    @property
    def weight_bytes(self) -> int | None:
        """Bytes of all tensors in the checkpoint; None where no header could be read."""
        return self.core.weight_bytes

    def kv_cache(
        self,
        *,
        tokens: int,
        batch: int = 1,
        dtype: str = "auto",
        encoder_tokens: int | None = None,
        crosscheck: bool = True,
    ) -> KVCache:
        """The KV cache after ``tokens`` tokens in each of ``batch`` sequences, in bytes.

        Where the class, the config and the header do not agree on the modules, it is not ``exact``
        either: one finding, in the cache as in the adapter.

        Raises:
            HfkvError: the config cannot be read, the checkpoint disagrees with it, or the
                architecture is one that cannot be answered honestly.
        """
        from hfkv.cache import kv_cache

        figure = kv_cache(
            self.core,
            tokens=tokens,
            batch=batch,
            dtype=dtype,
            encoder_tokens=encoder_tokens,
            crosscheck=crosscheck,
        )
        return self.judged(figure) if crosscheck else figure

    @cached_property
    def agreement(self) -> Agreement:
        """What came of holding the header against the class and the config: one verdict for the
        cache and the adapter."""
        from hfkv.cache.crosscheck import crosscheck
        from hfkv.cache.recognition import recognize

        if self.core.tensors is None:
            return NOTHING
        found = NOTHING
        try:
            found = self.built.agreement
        except HfkvError as error:
            told = f"the class's modules are not known ({error.what})"
            found = replace(NOTHING, told=printable(told, 300))
        if not found.differs:
            try:
                cache, _ = crosscheck(recognize(self.core).plan, self.core.tensors)
            except HfkvError:
                return found
            # The class's parameters are more than the projections that the cache is of.
            if cache.differs or found.verdict != "agrees":
                found = cache
        return found

    def judged(self, figure: _Figure) -> _Figure:
        """The figure with the verdict, which where files differ is its first note and basis."""
        agreement = self.agreement
        if not agreement.differs:
            return replace(figure, agreement=agreement)
        known = {agreement.told, figure.agreement.told}
        rest: list[str] = [note for note in figure.notes if note not in known]
        # Whose model it is comes before how its files differ.
        claims: list[str] = [note for note in rest[:1] if note.startswith(CONTRADICTS)]
        return replace(
            figure,
            agreement=agreement,
            basis=figure.basis if figure.basis == "inferred" else CONTRADICTED,
            notes=(*claims, agreement.told, *rest[len(claims) :]),
        )

    def lora(
        self,
        config: object = None,
        *,
        r: int | None = None,
        target_modules: str | Iterable[str] | None = "all-linear",
        dtype: str = "auto",
        **options: Any,
    ) -> Lora:
        """The adapter that PEFT would make.

        Args:
            config: a PEFT ``LoraConfig`` (or a mapping of its fields, as in
                ``adapter_config.json``, or the :class:`~hfkv.peft.lora.LoraOptions` read from
                one); the other options are then left out.
            r: the rank; 32 unless given.
            target_modules: ``"all-linear"``, ``None`` for PEFT's default mapping, a list of
                names, or a regular expression as PEFT takes it.
            dtype: element type of the adapter; ``auto`` is the model's own.
            options: further fields of ``LoraConfig`` by name.

        Raises:
            HfkvError: a target matches nothing, PEFT itself would refuse, or an option cannot
                be counted.
        """
        from hfkv.peft.lora import LoraOptions, count

        if config is None:
            chosen = LoraOptions.from_options(
                r=32 if r is None else r, target_modules=target_modules, **options
            )
        elif isinstance(config, LoraOptions):
            chosen = config
        else:
            chosen = LoraOptions.from_config(config)
        self._check_places()
        return self.judged(count(self.base, chosen, dtype=dtype))

    def _check_places(self) -> None:
        """Refuse an adapter where the cache is refused for a config whose sizes stand where its
        class does not look."""
        from hfkv.cache.misplaced import check_misplaced
        from hfkv.cache.recognition import recognize

        try:
            found = recognize(self.core)
        except HfkvError:
            return
        raw = self.core.config or {}
        reads = found.config.reads
        check_misplaced(found.config, raw, reads, self.core.tensors, insisted=False)

    def cartridge(self, *, tokens: int, dtype: str = "auto", **options: Any) -> Prompt:
        """PEFT's ``CARTRIDGE``: a trained KV cache of so many virtual tokens.

        Args:
            tokens: virtual tokens.
            dtype: element type; ``auto`` is the cache's own.
            options: further fields of ``CartridgeConfig``; by default one token is frozen.

        Raises:
            HfkvError: the model's cache is not one that PEFT's class can take.
        """
        return self.prompt(
            {"peft_type": "CARTRIDGE", "num_virtual_tokens": tokens, **options}, dtype=dtype
        )

    def prompt(self, config: Mapping[str, Any] | PromptOptions, *, dtype: str = "auto") -> Prompt:
        """A cartridge, prefix or soft prompt by its ``adapter_config.json``.

        Raises:
            HfkvError: a field is not usable, or PEFT's class does not fit this model.
        """
        from hfkv.peft.prompts import PromptOptions, count

        options = config if isinstance(config, PromptOptions) else PromptOptions.from_config(config)
        return count(self.base, options, dtype=dtype)

    def adapter(self, config: Mapping[str, Any] | None = None, *, dtype: str = "auto") -> Adapter:
        """An adapter by any of PEFT's methods that are counted.

        Args:
            config: its ``adapter_config.json``. Without it this model is an adapter repository:
                its own config is counted on its base model, with its own header as a witness.
            dtype: element type of the adapter; ``auto`` is the model's own.

        Raises:
            InputError: no config is given, and this is not an adapter repository.
            CrosscheckError: the adapter's tensors are not what its config makes.
            HfkvError: PEFT refuses the config, or it cannot be counted.
        """
        from hfkv.peft.methods import method_of

        fields = self.facts.extra.get("adapter_config.json") if config is None else config
        if fields is None:
            raise InputError("not an adapter repository", where=self.model)
        method = method_of(fields)
        figure = method.count(self.base, method.read(fields), dtype=dtype)
        witness = self.facts.tensors if config is None else None
        return figure if witness is None else method.agree(self.base, figure, witness)

    def with_pretraining(self, tokens: int) -> Model:
        """The model with a count of pretraining tokens of your own; its basis is ``given``.

        Raises:
            InputError: it is not a positive integer.
        """
        from hfkv.pretraining import given

        facts = replace(self.core, statement=given(tokens).to_json())
        return Model(facts if self.facts.base is None else replace(self.facts, base=facts))

    @cached_property
    def pretraining(self) -> Pretraining:
        """What is known of pretraining; ``tokens`` is None where it is not stated or unclear."""
        from hfkv.pretraining import pretraining

        return pretraining(self.core)


def load(
    model: str,
    *,
    revision: str | None = None,
    source: str = "auto",
    token: str | bool | None = None,
) -> Model:
    """Read what is needed of a model: config, safetensors headers, card. Never weights, no code.

    Args:
        model: a Hub id, a directory with ``config.json`` (and ``*.safetensors``, ``README.md``),
            or the path of a ``config.json`` or of a GGUF file. ``ORG/NAME:Q4_K_M`` is one of the
            GGUF files of a repository, by its quantization or name.
        revision: branch, tag, ``refs/pr/N`` or commit; the default branch unless given.
        source: ``auto`` (a path; the Hub; the local Hugging Face cache; a bundled snapshot), or
            one of ``hub``, ``cache``, ``directory``, ``snapshot`` to use only that.
        token: a Hub token, True for the stored one, False for none; huggingface_hub's default
            unless given.

    Raises:
        SourceError: the files could not be had; the message names the ways out.
        ConfigError, HeaderError, RecordError: a file is malformed.
    """
    from hfkv.source import fetch

    files = fetch(model, revision=revision, source=source, token=token)
    return _complete(files, source=source, token=token)


def _complete(
    files: Files, *, source: str, token: str | bool | None, above: tuple[str, ...] = ()
) -> Model:
    """Facts of the files, with what they point to: an adapter's base, a fine-tune's base cards.

    ``above`` are the adapters that led here.
    """
    from hfkv.source import fetch, is_path

    facts = read(files)
    adapter = facts.extra.get("adapter_config.json")
    if facts.config is not None or adapter is None:
        return Model(_with_lineage(facts, source=source, token=token))
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
    models: Sequence[str],
    *,
    revision: str | None = None,
    source: str = "auto",
    token: str | bool | None = None,
) -> list[Model | HfkvError]:
    """:func:`load` for many models at once, their fetches overlapped.

    All share one limit of open connections, and one answer to a server that asks to wait
    (``Retry-After``, ``RateLimit``).

    Returns:
        One entry per name, in order: the model, or the error that kept it from being read.
    """
    from hfkv.source import overlap

    return overlap(lambda model: load(model, revision=revision, source=source, token=token), models)


async def aload(
    model: str,
    *,
    revision: str | None = None,
    source: str = "auto",
    token: str | bool | None = None,
) -> Model:
    """:func:`load` for use in an event loop, which goes on meanwhile.

    Cancelling it (``asyncio.timeout``, a task group) ends its requests at once.
    """
    from hfkv.source import in_background

    return await in_background(lambda: load(model, revision=revision, source=source, token=token))


async def aload_many(
    models: Sequence[str],
    *,
    revision: str | None = None,
    source: str = "auto",
    token: str | bool | None = None,
) -> list[Model | HfkvError]:
    """:func:`load_many` for use in an event loop, which goes on meanwhile."""
    from hfkv.source import in_background

    return await in_background(
        lambda: load_many(models, revision=revision, source=source, token=token)
    )
