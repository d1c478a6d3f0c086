"""The tensors that a method makes on a model: its own, and what is trained and written beside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hfkv.errors import TargetError, UnsupportedError
from hfkv.modules.built import CONVOLUTIONS, UNCLEAR, Built, Module, leaf
from hfkv.peft.beside import biases, saved_embeddings, written_biases
from hfkv.peft.modules_to_save import saved_modules
from hfkv.peft.names import Names
from hfkv.peft.targets import Targeting, default_targets, linear_names, matched, resolve
from hfkv.peft.tuners.options import TunerOptions, facts
from hfkv.peft.tuners.rule import Config, Part, Site
from hfkv.peft.tuners.whole_model import with_model
from hfkv.peft.unused import Unused, unused
from hfkv.reading import printable

__all__ = ["Injection", "inject"]

#: Of these PEFT refuses layers of Mamba-like models by name.
_LIKE_LORA = frozenset(["ADALORA", "RANDLORA"])
_MAMBA_TYPES = frozenset(["falcon_h1", "mamba", "mamba2", "falcon_mamba", "nemotron_h"])
_MAMBA_REFUSED = frozenset(["out_proj", "conv1d"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """The tensors.

    Attributes:
        sites: the modules that are adapted.
        parts: each tensor with its full name in a file.
        saved: modules trained whole, to the parameters added for them.
        idle: parameters of copied modules that are not trained.
        biases: biases of the base model that are trained.
        base: parameters of the base model.
        copied: what of copies, biases and embeddings is written.
        unused: what the config names and PEFT does nothing with.
    """

    sites: tuple[Site, ...]
    parts: tuple[tuple[str, Part], ...]
    saved: dict[str, int]
    idle: int
    biases: dict[str, int]
    base: int
    copied: int
    unused: tuple[Unused, ...]

    def own(self) -> Iterator[Part]:
        """The method's own tensors, shared ones once."""
        seen = set()
        for _, part in self.parts:
            if part.key is not None:
                if part.key in seen:
                    continue
                seen.add(part.key)
            yield part

    @property
    def whole(self) -> int:
        """Trained parameters that are the base model's own, or copies of them."""
        return sum(self.saved.values()) + sum(self.biases.values())

    @property
    def trained(self) -> int:
        """The first number of ``print_trainable_parameters()``."""
        return sum(part.elements for part in self.own() if part.trained) + self.whole

    @property
    def all(self) -> int:
        """The second number of ``print_trainable_parameters()``."""
        own = sum(part.elements for part in self.own() if part.parameter)
        return self.base + own + sum(self.saved.values()) + self.idle

    @property
    def written(self) -> int:
        """Elements that PEFT writes to disk."""
        return self.copied + sum(part.elements for _, part in self.parts if part.saved)


def inject(built: Built, options: TunerOptions, *, where: str, half: bool = False) -> Injection:
    """The adapter that PEFT makes.

    Args:
        half: the base model is held in a dtype that PEFT casts adapters from to float32.

    Raises:
        TargetError: PEFT itself refuses, or the targets match nothing.
        UnsupportedError: the combination is not counted here.
    """
    targeting = _targeting(built, options, where)
    chosen = _chosen(built, options, targeting)
    sites = tuple(filter(None, (_site(built, module, options, where) for module in chosen)))
    if not sites and not (options.rule.passes and chosen):
        raise TargetError(
            f"the targets of {options.method} match nothing that may be adapted",
            where=where,
            expected="names among " + printable(", ".join(linear_names(built)), 1000),
        )
    config = with_model(built, options, targeting, sites, half)
    parts = _parts(options, config, sites, where)
    taken = {site.name for site in sites}
    saved: dict[str, int] = {}
    idle = written = 0
    if targeting.saved:
        copies = saved_modules(built, targeting, taken)
        saved, idle, written = copies.trained, copies.idle, copies.written
    elements = built.elements()
    freed = biases(built, options.bias, taken, elements, saved)
    written += sum(freed.values()) + written_biases(built, options.bias, taken, freed, saved)
    if options.method != "TRAINABLE_TOKENS":
        written += sum(saved_embeddings(built, targeting.targets, taken).values())
    return Injection(
        sites=sites,
        parts=parts,
        saved=saved,
        idle=idle,
        biases=freed,
        base=sum(elements.values()),
        copied=written,
        unused=tuple(_unused(Names(built, where), options, taken)),
    )


def _unused(names: Names, options: TunerOptions, taken: set[str]) -> Iterator[Unused]:
    yield from unused(names, options, taken)
    for field in options.idle:
        yield Unused(field=field, message=f"PEFT's {options.method} does nothing with it")


def _targeting(built: Built, options: TunerOptions, where: str) -> Targeting:
    if built.no_input and built.may_tie:
        raise TargetError(
            "PEFT cannot adapt this class: it asks for the input embedding, to see what is tied "
            "to it, and the class does not name one",
            where=where,
        )
    about = facts()["methods"][options.method]
    takes_saved = "modules_to_save" in about["fields"]
    targeting = Targeting(
        where=where,
        targets=options.target_modules,
        exclude=options.exclude_modules,
        saved=options.modules_to_save,
        layers=options.layers_to_transform,
        layers_pattern=options.layers_pattern,
        task=options.task_type if takes_saved else None,
    )
    if targeting.targets is None:
        if options.method == "TRAINABLE_TOKENS":
            targeting.targets = (_input(built, where),)
        elif options.method == "ADAPTION_PROMPT":
            targeting.targets = (_attention(built, where),)
        elif options.method == "OSF" and built.model_type not in facts()["targets"]["OSF"]:
            targeting.targets = "all-linear"
        else:
            table = facts()["targets"][about["targets"]]
            targeting.targets = default_targets(built, table, where)
    resolve(built, targeting)
    return targeting


def _input(built: Built, where: str) -> str:
    if not built.input_known or built.input is None:
        raise UnsupportedError("the input embedding of this class is not known here", where=where)
    return built.input


#: The attentions that adaption prompts are known for, by model type.
_ATTENTIONS = {"llama": "self_attn", "mistral": "self_attn", "gpt2": "attn"}


def _attention(built: Built, where: str) -> str:
    if built.model_type not in _ATTENTIONS:
        raise TargetError(
            f"PEFT has adaption prompts for {', '.join(_ATTENTIONS)}, and not for "
            f"{printable(built.model_type)}",
            where=where,
        )
    return _ATTENTIONS[built.model_type]


def _chosen(built: Built, options: TunerOptions, targeting: Targeting) -> list[Module]:
    """The modules that are adapted, as far as names say it."""
    if options.method == "ADAPTION_PROMPT":
        return _attentions(built, options, targeting)
    found = list(matched(built, targeting))
    if options.method == "LN_TUNING":
        names = {module.name for module in found}
        for name in names:
            if any(name.startswith(f"{other}.") for other in names):
                raise UnsupportedError(
                    f"{printable(name)} lies in another module that is copied: not counted",
                    where=targeting.where,
                )
    if options.method == "TRAINABLE_TOKENS" and built.ties_words:
        found = _tied_rows(built, found, targeting.where)
    return found


def _tied_rows(built: Built, found: list[Module], where: str) -> list[Module]:
    """Layers that are tied to an embedding with token rows share them."""
    if built.input not in {module.name for module in found}:
        return found
    if built.to_input is None:
        raise UnsupportedError("what is tied to the input embedding is not known", where=where)
    tied = built.to_input
    if not tied:
        return found
    own = [item for item in found if not item.name.endswith(tied)]
    return own + [item for item in built.modules if item.name.endswith(tied)]


def _attentions(built: Built, options: TunerOptions, targeting: Targeting) -> list[Module]:
    asked = options.target_modules
    _attention(built, targeting.where)
    if asked is not None and asked != _ATTENTIONS[built.model_type]:
        raise UnsupportedError(
            "adaption prompts in other modules than PEFT's own are not counted",
            where=targeting.where,
        )
    ending = f".{_ATTENTIONS[built.model_type]}"
    found = [module for module in built.modules if module.name.endswith(ending)]
    count = int(options.values["adapter_layers"])
    if count > len(found):
        raise TargetError(
            f"adapter_layers is {count}, and there are {len(found)} attentions",
            where=targeting.where,
        )
    return found[-count:]


def _site(built: Built, module: Module, options: TunerOptions, where: str) -> Site | None:
    """A module in the sizes that PEFT goes by; None where it is passed over."""
    rule, name, kind = options.rule, module.name, module.kind
    like = options.method in _LIKE_LORA and built.model_type in _MAMBA_TYPES
    if like and leaf(name) in _MAMBA_REFUSED:
        raise TargetError(
            f"PEFT refuses '{printable(leaf(name))}' in Mamba-like models for {options.method}",
            where=where,
        )
    if rule.any_kind:
        return Site(name=name, module=module, inputs=0, outputs=0)
    if kind in UNCLEAR or kind == "unknown" or module.stated or kind in rule.unsupported:
        raise UnsupportedError(
            f"{options.method} on {printable(name)} is not counted: "
            + (
                (UNCLEAR.get(kind) and f"whether it is {UNCLEAR[kind]} cannot be seen")
                or f"a layer of kind {kind}, of which not all that counts is known"
            ),
            where=where,
            hint="leave it out of target_modules",
        )
    if kind not in rule.kinds:
        if rule.passes:
            return None
        raise TargetError(
            f"PEFT's {options.method} does not adapt {printable(name)}, a module of kind {kind}",
            where=where,
            expected=", ".join(sorted(rule.kinds)),
        )
    if kind in CONVOLUTIONS:
        shape = module.parameters["weight"]
        inputs = shape[1] * module.groups
        return Site(name=name, module=module, inputs=inputs, outputs=shape[0], kernel=shape[2:])
    inputs, outputs = module.features
    return Site(name=name, module=module, inputs=inputs, outputs=outputs)


def _parts(
    options: TunerOptions, config: Config, sites: Sequence[Site], where: str
) -> tuple[tuple[str, Part], ...]:
    found: list[tuple[str, Part]] = []
    for site in sites:
        start = f"base_model.model.{site.name}."
        try:
            found += [(start + part.name, part) for part in options.rule.parts(config, site)]
        except TargetError as error:
            raise TargetError(
                f"PEFT's {options.method} cannot adapt {printable(site.name)}: {error.what}",
                where=where,
            ) from None
    try:
        found += [(part.name, part) for part in options.rule.shared(config, sites)] if sites else []
    except TargetError as error:
        raise TargetError(error.what, where=where) from None
    return tuple(found)


def dtype_of(part: Part, base: str, cast: str) -> str:
    """The safetensors name of a part's dtype."""
    return {"base": base, "cast": cast}.get(part.dtype, part.dtype)
