"""What a model answers: every figure computed from facts that were read once. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar, overload

from hfkv.errors import HfkvError, InputError, UnsupportedError
from hfkv.facts import Facts
from hfkv.facts.agreement import CONTRADICTED, Agreement
from hfkv.json_value import attributes
from hfkv.reading import whole_number
from hfkv.release_lines import line_of, newest
from hfkv.shown import Shown, Table, cell, size

if TYPE_CHECKING:
    from typing_extensions import Unpack

    import hfkv
    from hfkv.cache import KVCache
    from hfkv.cache.crosscheck import Shapes
    from hfkv.engines import Allocation, Budget, Engine, Fit
    from hfkv.engines.subject import Subject
    from hfkv.modules.built import Built
    from hfkv.peft.base import Base
    from hfkv.peft.lora import Lora, LoraOptions
    from hfkv.peft.lora.keywords import LoraFields, PeftConfig
    from hfkv.peft.methods import Adapter
    from hfkv.peft.prompts import Prompt, PromptOptions
    from hfkv.pretraining import Pretraining
    from hfkv.source.files import SourceName
    from hfkv.training import Training

    _Figure = TypeVar("_Figure", KVCache, Lora)

__all__ = ["Model"]


@dataclass(frozen=True, repr=False)
class Model(Shown):
    """A model whose files have been read.

    Attributes:
        facts: everything that was read, untouched.

    >>> import hfkv
    >>> model = hfkv.load("meta-llama/Meta-Llama-3-70B", source="snapshot")
    >>> model.model_type, model.parameters, model.weight_bytes
    ('llama', 70553706496, 141107412992)
    """

    _brief = "model source model_type parameters weight_bytes"

    facts: Facts

    @property
    def model(self) -> str:
        """The Hub id, or the path that was given."""
        return self.facts.model

    @property
    def source(self) -> SourceName:
        """Where the files came from: hub, cache, directory, snapshot, lock, or given."""
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

    @property
    def versions(self) -> Mapping[str, str]:
        """Of which releases of the libraries its figures are, by the library's name."""
        from hfkv.versions import tables

        return tables(self.core.line)

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

    @cached_property
    def parameters(self) -> int | None:
        """Parameters of the checkpoint, unpacked where its weights are packed.

        None where no header could be read, or where nothing tells how the weights are packed.
        """
        from hfkv.modules.packed import parameters_of

        try:
            return parameters_of(self.core)
        except HfkvError:
            return None

    @property
    def stored_elements(self) -> int | None:
        """Elements of all tensors as the files hold them: of packed weights the packed ones, and
        their scales; None where no header could be read."""
        return self.core.stored_elements

    @property
    def weight_bytes(self) -> int | None:
        """Bytes of all tensors in the checkpoint; None where no header could be read."""
        return self.core.weight_bytes

    @overload
    def kv_cache(
        self,
        *,
        tokens: int,
        batch: int = 1,
        dtype: str = "auto",
        encoder_tokens: int | None = None,
        crosscheck: bool = True,
        engine: None = None,
    ) -> KVCache: ...

    @overload
    def kv_cache(
        self,
        *,
        tokens: int,
        batch: int = 1,
        dtype: str = "auto",
        encoder_tokens: int | None = None,
        crosscheck: bool = True,
        engine: Engine,
    ) -> Allocation: ...

    @overload
    def kv_cache(
        self,
        *,
        tokens: int,
        batch: int = 1,
        dtype: str = "auto",
        encoder_tokens: int | None = None,
        crosscheck: bool = True,
        engine: Engine | None,
    ) -> KVCache | Allocation: ...

    def kv_cache(
        self,
        *,
        tokens: int,
        batch: int = 1,
        dtype: str = "auto",
        encoder_tokens: int | None = None,
        crosscheck: bool = True,
        engine: Engine | None = None,
    ) -> KVCache | Allocation:
        """The KV cache after ``tokens`` tokens in each of ``batch`` sequences, in bytes.

        Where the class, the config and the header do not agree on the modules, it is not ``exact``
        either: one finding, in the cache as in the adapter.

        Args:
            tokens: in each sequence.
            batch: sequences.
            dtype: element type of transformers' cache, ``auto`` is the model's own; engines have
                options of their own for it.
            encoder_tokens: length of the encoder's output, for cross-attention; the model's own
                unless given.
            crosscheck: hold the plan against the checkpoint's shapes.
            engine: a serving engine with its options (:mod:`hfkv.engines`); the answer is then
                what it allocates on each GPU. None for what transformers' cache object holds.

        Raises:
            HfkvError: the config cannot be read, the checkpoint disagrees with it, or the
                architecture is one that cannot be answered honestly.
        """
        if engine is not None:
            from hfkv.model.engines import allocated

            made = allocated(
                engine,
                partial(self.subject, encoder_tokens=encoder_tokens, crosscheck=crosscheck),
                tokens=tokens,
                batch=batch,
                dtype=dtype,
            )
            return replace(made, agreement=self.agreement) if crosscheck else made
        from hfkv.cache import kv_cache
        from hfkv.cache.size import check_question

        check_question(tokens, batch)
        figure = kv_cache(
            self.core,
            tokens=tokens,
            batch=batch,
            dtype=dtype,
            encoder_tokens=encoder_tokens,
            crosscheck=crosscheck,
            shapes=self._shapes if crosscheck else None,
        )
        return self.judged(figure) if crosscheck else figure

    @overload
    def fit(
        self,
        budget: int | str | Budget,
        *,
        batch: int = 1,
        dtype: str = "auto",
        encoder_tokens: int | None = None,
        crosscheck: bool = True,
        engine: None = None,
    ) -> int | None: ...

    @overload
    def fit(
        self,
        budget: int | str | Budget,
        *,
        tokens: int,
        batch: int = 1,
        encoder_tokens: int | None = None,
        crosscheck: bool = True,
        engine: Engine,
    ) -> Fit: ...

    def fit(
        self,
        budget: int | str | Budget,
        *,
        tokens: int | None = None,
        batch: int = 1,
        dtype: str = "auto",
        encoder_tokens: int | None = None,
        crosscheck: bool = True,
        engine: Engine | None = None,
    ) -> int | Fit | None:
        """How many tokens a budget holds: the largest number whose cache, and that of every
        smaller number, is no larger.

        Args:
            budget: bytes, or a size as people write it (``"24GiB"``, ``"2x80GB"``).
            tokens: with an engine: the longest request that it must serve.
            batch, dtype, encoder_tokens, crosscheck: as in :meth:`kv_cache`.
            engine: a serving engine with its options, that plans its cache from a budget.

        Returns:
            Tokens in each sequence; 0 where not even one fits, None where there is no limit. With
            an engine what it makes of the budget, with the tokens of its pool.

        Raises:
            InputError: the budget is no size, or the engine does not plan from one.
            HfkvError: as :meth:`kv_cache`.

        >>> import hfkv
        >>> hfkv.load("meta-llama/Meta-Llama-3-70B", source="snapshot").fit("24GiB")
        78643
        """
        from hfkv.engines.budget import Budget

        held = Budget.of(budget)
        if engine is not None:
            from hfkv.model.engines import planned

            return planned(
                engine,
                partial(self.subject, encoder_tokens=encoder_tokens, crosscheck=crosscheck),
                held,
                tokens=tokens,
                batch=batch,
            )
        if tokens is not None:
            raise InputError("it is what is asked", where="`tokens`", expected="it with an engine")
        cache = self.kv_cache(
            tokens=1,
            batch=batch,
            dtype=dtype,
            encoder_tokens=encoder_tokens,
            crosscheck=crosscheck,
        )
        return cache.curve.fit(held.bytes)

    def rank(
        self,
        *,
        tokens: int = 100_000,
        batch: int = 1,
        target_modules: str | Iterable[str] | None = "all-linear",
        kv_dtype: str = "auto",
        lora_dtype: str = "auto",
        encoder_tokens: int | None = None,
        crosscheck: bool = True,
        assumed: hfkv.Assumed | None = None,
    ) -> hfkv.Ranks:
        """Which LoRA ranks are worth a look at so many tokens, and what the rules say of them.

        Args:
            tokens: in each sequence; batch: sequences.
            target_modules, kv_dtype, lora_dtype: as in :func:`hfkv.compare`.
            encoder_tokens, crosscheck: as in :meth:`kv_cache`.
            assumed: what the rules take for granted.

        Raises:
            HfkvError: the cache or the adapter cannot be counted.

        >>> import hfkv
        >>> hfkv.load("meta-llama/Meta-Llama-3-70B", source="snapshot").rank().largest
        54
        """
        import hfkv

        return hfkv.ranks(
            self,
            tokens=tokens,
            batch=batch,
            target_modules=target_modules,
            kv_dtype=kv_dtype,
            lora_dtype=lora_dtype,
            encoder_tokens=encoder_tokens,
            crosscheck=crosscheck,
            assumed=assumed,
        )

    def subject(self, *, encoder_tokens: int | None = None, crosscheck: bool = True) -> Subject:
        """The model as engines see it.

        Raises:
            HfkvError: as :meth:`kv_cache`.
        """
        from hfkv.engines.subject import subject_of

        # An engine allocates as its own release does, whatever transformers keeps.
        found = subject_of(
            replace(self.core, line=""),
            encoder_tokens=encoder_tokens,
            crosscheck=crosscheck,
            shapes=self._shapes if crosscheck else None,
        )
        if not crosscheck or found.basis != "exact" or not self.agreement.differs:
            return found
        return replace(found, basis=CONTRADICTED, notes=(self.agreement.told, *found.notes))

    @cached_property
    def _shapes(self) -> Shapes | None:
        """What came of holding the cache's plan against the header; None without one.

        Raises:
            HfkvError: the architecture is not known.
        """
        from hfkv.cache.crosscheck import crosscheck
        from hfkv.cache.recognition import recognize

        if self.core.tensors is None:
            return None
        return crosscheck(recognize(self.core).plan, self.core.tensors)

    @cached_property
    def agreement(self) -> Agreement:
        """What came of holding the header against the class and the config: one verdict for the
        cache and the adapter."""
        from hfkv.model.verdict import agreement_of

        return agreement_of(self.core, built=lambda: self.built, shapes=lambda: self._shapes)

    def judged(self, figure: _Figure) -> _Figure:
        """The figure with the verdict, which where files differ is its first note and basis."""
        from hfkv.model.verdict import judged

        return judged(figure, self.agreement)

    def lora(
        self,
        config: LoraOptions | Mapping[str, Any] | PeftConfig | None = None,
        *,
        r: int | None = None,
        target_modules: str | Iterable[str] | None = "all-linear",
        dtype: str = "auto",
        **options: Unpack[LoraFields],
    ) -> Lora:
        """The adapter that PEFT would make.

        Args:
            config: a PEFT ``LoraConfig`` (or a mapping of its fields, as in
                ``adapter_config.json``, or the :class:`~hfkv.peft.lora.LoraOptions` read from
                one). It states every option, so that no other is taken beside it.
            r: the rank; 32 unless given.
            target_modules: ``"all-linear"``, ``None`` for PEFT's default mapping, a list of
                names, or a regular expression as PEFT takes it.
            dtype: element type of the adapter; ``auto`` is the model's own.
            options: further fields of ``LoraConfig`` by name.

        Raises:
            InputError: options are given beside a config, or one is not usable.
            HfkvError: a target matches nothing, PEFT itself would refuse, or an option cannot
                be counted.
        """
        from hfkv.model.verdict import check_places
        from hfkv.peft.lora import LoraOptions, count

        if config is None:
            chosen = LoraOptions.from_options(
                r=32 if r is None else r, target_modules=target_modules, **options
            )
        elif r is not None or options or target_modules != "all-linear":
            raise InputError(
                "a config states every option", where="`config`", expected="no other beside it"
            )
        elif isinstance(config, LoraOptions):
            chosen = config
        else:
            chosen = LoraOptions.from_config(config)
        check_places(self.core)
        return self.judged(count(self.base, chosen, dtype=dtype))

    def _newest_only(self, what: str) -> None:
        """Refuse what was proved with the newest release alone, where an older line is asked for.

        Raises:
            UnsupportedError: it is.
        """
        if self.core.line:
            raise UnsupportedError(
                f"{what} was not held against transformers {self.versions['transformers']}",
                where=self.model,
                hint=f"the figures of {newest()} are those without `transformers`",
            )

    def training(self, adapter: Lora, **options: Any) -> Training:
        """What training an adapter of this model takes, per GPU and on disk.

        Args:
            adapter: what :meth:`lora` counted.
            options: ``optimizer``, ``strategy`` and ``gpus``, ``base_dtype`` (``4bit``...),
                ``batch``, ``sequence`` and ``checkpointing``, as in
                :func:`hfkv.training.training`.

        Raises:
            HfkvError: an option is not usable, or the combination is not counted.

        >>> import hfkv
        >>> model = hfkv.load("meta-llama/Meta-Llama-3-8B", source="snapshot")
        >>> found = model.training(model.lora(r=16), optimizer="adamw")
        >>> [(part.name, part.bytes) for part in found.parts[:2]], found.parts[3].bytes
        ([('weights', 16060522496), ('adapter', 167772160)], 335546112)
        """
        from hfkv.training import training

        self._newest_only("what training takes")
        return training(self.base, adapter, **options)

    def cartridge(self, *, tokens: int, num_frozen_tokens: int = 1, dtype: str = "auto") -> Prompt:
        """PEFT's ``CARTRIDGE``: a trained KV cache of so many virtual tokens.

        Args:
            tokens: virtual tokens.
            num_frozen_tokens: how many of them, at the start, are kept as they are.
            dtype: element type; ``auto`` is the cache's own.

        Raises:
            HfkvError: the model's cache is not one that PEFT's class can take.
        """
        config = {
            "peft_type": "CARTRIDGE",
            "num_virtual_tokens": whole_number(tokens, "`tokens`", most=10**9),
            "num_frozen_tokens": num_frozen_tokens,
        }
        return self.prompt(config, dtype=dtype)

    def prompt(self, config: Mapping[str, Any] | PromptOptions, *, dtype: str = "auto") -> Prompt:
        """A cartridge, prefix or soft prompt by its ``adapter_config.json``.

        Raises:
            HfkvError: a field is not usable, or PEFT's class does not fit this model.
        """
        from hfkv.peft.prompts import PromptOptions, count

        self._newest_only("a prompt or cartridge")
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
        from hfkv.peft.lora import LoraOptions
        from hfkv.peft.methods import method_of

        fields = self.facts.extra.get("adapter_config.json") if config is None else config
        if fields is None:
            raise InputError("not an adapter repository", where=self.model)
        method = method_of(fields)
        options = method.read(fields)
        figure: Adapter
        if isinstance(options, LoraOptions):
            figure = self.lora(options, dtype=dtype)  # with the verdict that it has there
        else:
            figure = method.count(self.base, options, dtype=dtype)
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

    def with_transformers(self, release: str | None) -> Model:
        """The model with figures of another line of releases: ``"4.57"``, or None for the newest.

        Raises:
            InputError: there is no table of it.

        >>> import hfkv
        >>> model = hfkv.load("meta-llama/Meta-Llama-3-8B", source="snapshot")
        >>> model.with_transformers("4.57").versions["transformers"]
        '4.57.6'
        """
        line, base = line_of(release), self.facts.base
        if line == self.core.line:
            return self
        base = None if base is None else replace(base, line=line)
        return Model(replace(self.facts, line=line, base=base))

    @cached_property
    def pretraining(self) -> Pretraining:
        """What is known of pretraining; ``tokens`` is None where it is not stated or unclear."""
        from hfkv.pretraining import pretraining

        return pretraining(self.core)

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value."""
        names = "model source revision commit model_type parameters stored_elements weight_bytes"
        value = attributes(self, names) | {"notes": list(self.facts.notes)}
        return {"versions": dict(self.versions), **value} if self.core.line else value

    def _table(self) -> Table:
        at = "" if self.commit is None else f", commit {self.commit}"
        rows = [("read from", f"{self.source}{at}"), ("model_type", cell(self.model_type))]
        rows.append(("parameters", cell(self.parameters)))
        if self.stored_elements != self.parameters:
            rows.append(("elements as stored", cell(self.stored_elements)))
        rows.append(("weights", size(self.weight_bytes)))
        return Table(title=self.model, rows=tuple(rows), notes=self.facts.notes)
