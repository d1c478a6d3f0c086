"""What is asked of every model: the same for all of them, and a part of the manifest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from hfkv.errors import InputError
from hfkv.reading import describe, whole_number

if TYPE_CHECKING:
    from hfkv.engines import Engine

__all__ = ["Question"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Options of a comparison; each of several ranks, types or engines is a row of its own.

    Attributes:
        tokens: in each sequence; batch: sequences.
        ranks: of the LoRA adapter.
        target_modules: what it adapts, as ``--target-modules`` takes it.
        kv_dtypes: element types of the cache; ``auto`` is the model's own.
        lora_dtype: element type of the adapter.
        engines: who stores the cache, each with its own defaults.
    """

    tokens: int = 100_000
    batch: int = 1
    ranks: tuple[int, ...] = (32,)
    target_modules: str = "all-linear"
    kv_dtypes: tuple[str, ...] = ("auto",)
    lora_dtype: str = "auto"
    engines: tuple[str, ...] = ("transformers",)

    def __post_init__(self) -> None:
        for name, value in (("tokens", self.tokens), ("batch", self.batch)):
            whole_number(value, f"`{name}`")
        for rank in self.ranks:
            whole_number(rank, "`ranks`")
        for name in ("ranks", "kv_dtypes", "engines"):
            given = getattr(self, name)
            if not given or len(set(given)) < len(given):
                raise InputError(
                    f"found {describe(list(given))}", where=f"`{name}`", expected="each once"
                )

    @property
    def combinations(self) -> Iterator[tuple[int, str, str]]:
        """Rank, cache type and engine of each row of a model."""
        return (
            (rank, dtype, engine)
            for rank in self.ranks
            for dtype in self.kv_dtypes
            for engine in self.engines
        )

    def check(self) -> None:
        """Ask it of a small model, so that what is wrong for all is said before the first.

        Raises:
            InputError: a value is not usable.
        """
        from hfkv.comparison import compare_model
        from hfkv.model import load

        tiny = load(
            {
                "model_type": "llama",
                "architectures": ["LlamaForCausalLM"],
                "hidden_size": 64,
                "num_attention_heads": 4,
                "num_hidden_layers": 2,
                "dtype": "bfloat16",
            }
        )
        for rank, dtype, engine in self.combinations:
            compare_model(tiny, **self.arguments(rank, dtype, engine))

    def arguments(self, rank: int, dtype: str, engine: str) -> dict[str, Any]:
        """What :func:`hfkv.comparison.compare_model` takes for one row."""
        from hfkv.peft.lora import LoraOptions

        return {
            "tokens": self.tokens,
            "batch": self.batch,
            "r": rank,
            "target_modules": LoraOptions.parse_targets(self.target_modules),
            "kv_dtype": dtype if engine == "transformers" else "auto",
            "lora_dtype": self.lora_dtype,
            "engine": _engine(engine, dtype),
        }

    def to_json(self) -> dict[str, Any]:
        """As the manifest and the workers have it."""
        value = asdict(self)
        return {
            name: list(item) if isinstance(item, tuple) else item for name, item in value.items()
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Question:
        """What :meth:`to_json` gave."""
        named: dict[str, Any] = {item.name: value[item.name] for item in fields(cls)}
        for name, item in named.items():
            named[name] = tuple(item) if isinstance(item, list) else item
        return cls(**named)


def _engine(name: str, dtype: str) -> Engine | None:
    if name == "transformers":
        return None
    from hfkv.engines import engine_class

    cls = engine_class(name)
    options: dict[str, Any] = {}
    if dtype != "auto":
        if "kv_dtype" not in {item.name for item in fields(cls)}:
            raise InputError(
                f"{name} has another option for the type of its cache",
                where="`kv_dtypes`",
                expected="auto with this engine",
            )
        options["kv_dtype"] = dtype
    return cls(**options)
