"""The figure that the installed transformers gives: a cache filled now, on the meta device."""

from __future__ import annotations

from dataclasses import dataclass, field

from hfkv.cache import CacheTensor, KVCache, Layer, Plan
from hfkv.cache.conventions import Sequences
from hfkv.cache.dtype import cache_dtype
from hfkv.dtypes import canonical, torch_name
from hfkv.errors import HfkvError, InputError, UnsupportedError
from hfkv.facts import Facts
from hfkv.facts.config import Config
from hfkv.live.build import build, config_of, transformers
from hfkv.live.filled_cache import LiveLayer, read_cache, run
from hfkv.live.inputs import attends_to_an_encoder

__all__ = ["LiveModel", "live_kv_cache"]

#: Models are built in this dtype, so what they hold in another they pin to it.
_BUILT = "bfloat16"


class LiveModel:
    """A model of the installed transformers on the meta device, and the caches it fills.

    Raises:
        MissingDependencyError: the ``verify`` extra is not installed.
        UnsupportedError: transformers has no class for the config, or cannot build it.
        ConfigError: the config names no type.
    """

    def __init__(self, facts: Facts) -> None:
        self.library = transformers()
        if facts.config is None:
            raise UnsupportedError(
                facts.missing.get("config.json", "there is no config.json"),
                where=facts.model,
                hint="name a repository or directory that holds one",
            )
        self.where = facts.model
        self.config = Config(facts.config, where=facts.model)
        raw = {**facts.config, "model_type": self.config.model_type}
        try:
            self.model = build(config_of(raw))
        except HfkvError:
            raise
        except Exception as error:
            # The library may raise anything on a config that its class does not take.
            raise self._refusal("build", error) from error

    @property
    def name(self) -> str:
        """The class, with the version it comes from."""
        return f"transformers {self.version}: {type(self.model).__name__}"

    @property
    def version(self) -> str:
        """The version of the installed transformers."""
        return str(self.library.__version__)

    @property
    def has_encoder(self) -> bool:
        """Whether the cache may also hold what an encoder gave."""
        return attends_to_an_encoder(self.model)

    @property
    def positions(self) -> int | None:
        """The most tokens that the class has positions for, where its config says so."""
        config = self.model.config.get_text_config(decoder=True)
        for key in ("max_target_positions", "max_position_embeddings"):
            value = getattr(config, key, None)
            if isinstance(value, int):
                return value
        return None

    def layers(
        self, tokens: int, *, batch: int = 1, encoder_tokens: int | None = None
    ) -> list[LiveLayer]:
        """The tensors of every layer after ``tokens`` tokens.

        Raises:
            UnsupportedError: the class cannot be run without weights or further inputs.
        """
        if self.model.config.is_encoder_decoder and encoder_tokens is None:
            raise UnsupportedError(
                f"{self.config.model_type} attends to an encoder, whose length is not known here",
                where=self.where,
                hint="`encoder_tokens` says how many tokens the encoder gives",
            )
        try:
            return read_cache(run(self.model, tokens, batch=batch, encoder_tokens=encoder_tokens))
        except Exception as error:
            raise self._refusal("run", error) from error

    def _refusal(self, verb: str, error: Exception) -> UnsupportedError:
        message = " ".join(str(error).split())[:300]
        return UnsupportedError(
            f"transformers {self.version} could not {verb} it without weights: "
            f"{type(error).__name__}: {message}",
            where=self.where,
        )


@dataclass(frozen=True, slots=True)
class _Recorded:
    """What the layers of a live model held, by number of tokens; it knows no other lengths."""

    held: dict[int, list[LiveLayer]] = field(hash=False)
    name: str = "transformers"

    def layers(self, plan: Plan, stored: Sequences) -> tuple[Layer, ...]:
        return tuple(
            Layer(index=index, kind="live", tensors=tensors)
            for index, tensors in enumerate(self._tensors(stored))
        )

    def bytes(self, plan: Plan, stored: Sequences) -> int:
        return sum(tensor.bytes for layer in self._tensors(stored) for tensor in layer)

    def bends(self, plan: Plan) -> tuple[int, ...]:
        return ()

    def period(self, plan: Plan) -> int:
        return 1

    def _tensors(self, stored: Sequences) -> list[tuple[CacheTensor, ...]]:
        if stored.tokens not in self.held:
            raise UnsupportedError(
                f"the live cache was read at {sorted(self.held)} tokens, not at {stored.tokens}",
                hint="`fit` and charts need a row of the registry",
            )
        found = [
            tuple(
                CacheTensor(
                    name=name,
                    shape=shape,
                    dtype=stored.dtype if dtype == _BUILT else canonical(dtype),
                )
                for name, shape, dtype in layer
            )
            for layer in self.held[stored.tokens]
        ]
        # A layer that holds nothing yet is a layer all the same.
        most = max(len(layers) for layers in self.held.values())
        return [*found, *[()] * (most - len(found))]


def live_kv_cache(
    facts: Facts,
    *,
    tokens: int,
    batch: int = 1,
    dtype: str = "auto",
    encoder_tokens: int | None = None,
    model: LiveModel | None = None,
) -> KVCache:
    """The KV cache that the installed transformers fills for this config, basis ``live``.

    Args:
        facts, tokens, batch, dtype: as in :func:`hfkv.cache.kv_cache`.
        encoder_tokens: the encoder's length; needed for encoder-decoders.
        model: the built model, where there is one already.

    Raises:
        MissingDependencyError, UnsupportedError, ConfigError, InputError: as :class:`LiveModel`.
    """
    for name, value in (("tokens", tokens), ("batch", batch)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InputError(
                f"found {value!r}", where=f"`{name}`", expected="a whole number of at least 1"
            )
    live = LiveModel(facts) if model is None else model
    if encoder_tokens is not None and not live.has_encoder:
        raise InputError(f"{live.config.model_type} has no encoder", where="`encoder_tokens`")
    element, notes = cache_dtype(facts, live.config, dtype)
    runs = {
        length: live.layers(length, batch=batch, encoder_tokens=encoder_tokens)
        for length in (tokens, tokens + 1)
    }
    runs[0] = _before(runs[tokens])
    if encoder_tokens and not live.model.config.is_encoder_decoder:
        # Mllama keeps an image under the same names as tokens: what a second token leaves as it
        # was, the first did not bring.
        first, second = (live.layers(n, batch=batch, encoder_tokens=encoder_tokens) for n in (1, 2))
        runs[0] = [
            [item for item in layer if item in after]
            for layer, after in zip(first, second, strict=True)
        ]
    plan = Plan(kinds=(), crosses=encoder_tokens is not None, encoder_tokens=encoder_tokens)
    recorded = _Recorded(runs)

    def at(count: int) -> int:
        return recorded.bytes(plan, Sequences(tokens=count, batch=batch, dtype=element))

    return KVCache(
        model=facts.model,
        bytes=at(tokens),
        tokens=tokens,
        batch=batch,
        dtype=torch_name(element),
        basis="live",
        bytes_per_token=at(tokens + 1) - at(tokens),
        constant_bytes=at(0),
        plan=plan,
        element=element,
        convention=recorded,
        model_type=live.config.model_type,
        source=live.name,
        encoder_tokens=encoder_tokens,
        notes=(f"built now by {live.name}", *notes),
    )


def _before(layers: list[LiveLayer]) -> list[LiveLayer]:
    """What is there before the first token: states, and what an encoder gave."""
    return [
        [item for item in layer if item[0].startswith(("cross_", "conv_", "recurrent_"))]
        for layer in layers
    ]
