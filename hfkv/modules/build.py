"""What transformers would build for a model's files: the one way from facts to modules.

There are four ways to know it, and each gives the same value:

- :mod:`hfkv.modules.checkpoint`: the class's generated table joined with the header, and held
  against the class's plan where there is one (:mod:`hfkv.modules.agreement`);
- :mod:`hfkv.modules.by_plan`: the proved plan of the class and its config, without a header;
- :mod:`hfkv.modules.documented`: the header under the rule that was read off a repository's code;
- :mod:`hfkv.modules.inferred`: the header's names and shapes, where nobody knows the type.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hfkv.errors import UnsupportedError
from hfkv.facts import Facts
from hfkv.facts.agreement import Agreement
from hfkv.facts.config import Config
from hfkv.facts.identity import Claim, identified
from hfkv.modules.built import Built
from hfkv.modules.table import has_table

__all__ = ["build", "config_of"]

_GGUF_NOTE = (
    "the layers' sizes are read from the GGUF header, its names turned back to the published ones; "
    "the adapter is the one of the unquantized class"
)


def build(facts: Facts) -> Built:
    """The modules that transformers would build.

    Raises:
        UnsupportedError: there is no config; neither a table nor a plan, a rule or a header that
            tells; the weights are packed in a way that loses their sizes; or a part of the model
            is of a type whose table does not fit.
    """
    config, claimed = _identified(facts)
    built = _built(facts, config)
    if facts.line:
        from hfkv.modules.line_rules import in_line

        built = in_line(facts.line, built, config)
    if claimed is None:
        return built
    if claimed.model_type is None and built.agreement.differs:
        # The class named is not known, and these are not the weights of that of the type.
        built = replace(_unclaimed(facts, claimed.named), model_type=built.model_type)
    return replace(
        built,
        basis="documented" if built.basis == "exact" else built.basis,
        claim=claimed.told if claimed.model_type or built.basis != "inferred" else claimed.alone,
    )


def _unclaimed(facts: Facts, named: str) -> Built:
    from hfkv.modules.documented import by_header
    from hfkv.modules.packed import unpack

    assert facts.config is not None
    assert facts.tensors is not None
    tensors, _ = unpack(facts, facts.tensors)
    return by_header(named, facts.config, tensors, facts.model)


def _built(facts: Facts, config: Config) -> Built:
    # Each way is imported where it is gone: most models need one of the four.
    if facts.tensors is None:
        return _without_header(facts, config)
    if facts.unnamed:
        raise UnsupportedError(
            facts.unnamed,
            where=facts.model,
            hint="ask about the repository that the file was made from",
        )
    tensors, note = facts.tensors, _GGUF_NOTE
    if not facts.from_gguf:
        from hfkv.modules.packed import unpack

        tensors, note = unpack(facts, tensors)
    if has_table(config):
        from hfkv.modules.checkpoint import by_table

        return by_table(config, tensors, where=facts.model, note=note)
    from hfkv.modules.documented import by_header

    built = by_header(config.model_type, config.raw, tensors, facts.model)
    return replace(
        built,
        reason="; ".join(filter(None, (built.reason, note))),
        agreement=Agreement(
            verdict="agrees" if built.basis == "documented" else "nothing to compare",
            told="the header's names and shapes are those of the rule"
            if built.basis == "documented"
            else "all that is known is the header's own",
        ),
    )


def _without_header(facts: Facts, config: Config) -> Built:
    from hfkv.modules.by_plan import by_plan

    absent = facts.missing.get("tensors", "there are none")
    try:
        built = by_plan(config)
    except UnsupportedError as error:
        raise UnsupportedError(
            f"LoRA's layers are counted from the safetensors headers: {absent}; and config.json "
            f"alone is not enough: {error.what}",
            where=facts.model,
            hint="use the repository or a directory with the weights; with the verify extra "
            "hfkv lora --basis live builds the class instead",
        ) from None
    packed = isinstance(config.raw.get("quantization_config"), Mapping)
    return replace(
        built,
        basis="documented" if facts.derived else built.basis,
        reason=f"{built.reason} ({absent})"
        + ("; the adapter is the one of the unquantized class" if packed else ""),
    )


def config_of(facts: Facts) -> Config:
    """The reader of a model's config, as one of the class that it names.

    Raises:
        UnsupportedError: there is no config.
    """
    return _identified(facts)[0]


def _identified(facts: Facts) -> tuple[Config, Claim | None]:
    if facts.config is None:
        raise UnsupportedError(
            facts.missing.get("config.json", "there is no config.json"), where=facts.model
        )
    return identified(facts.config, where=facts.model)
