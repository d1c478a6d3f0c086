"""Build a model of the installed transformers on the meta device, where tensors cost nothing."""

from __future__ import annotations

import contextlib
import copy
import functools
import re
import warnings
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from hfkv.errors import MissingDependencyError, UnsupportedError
from hfkv.live.older import decoded

__all__ = ["build", "config_of", "pairs"]

#: The mappings whose union is "every class that transformers generates text with".
MAPPINGS = (
    "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES",
    "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES",
    "MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES",
    "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES",
    "MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES",
)


#: Classes that sort tokens by what they compute, which the meta device cannot; they are small.
_NEEDS_VALUES = ("reformer",)
#: Classes whose masks are float32, which torch does not add to anything narrower.
_NEEDS_FLOAT32 = ("reformer", "xlnet")


#: The last of the 4.x, which :mod:`hfkv.live.older` helps on the meta device; nothing was compared
#: with what is older.
_OLDEST = (4, 57)


def transformers() -> Any:
    """The installed transformers.

    Raises:
        MissingDependencyError: it, or torch, is not installed, or it is too old.
    """
    installed("torch")
    module = installed("transformers")
    if tuple(int(part) for part in module.__version__.split(".")[:2]) < _OLDEST:
        raise MissingDependencyError(
            f"transformers {module.__version__} is too old to run on the meta device",
            where="live figures",
            expected="transformers " + ".".join(map(str, _OLDEST)) + " or newer",
            hint="pip install -U 'hfkv[verify]'",
        )
    module.logging.set_verbosity_error()
    _keep_defaults()
    return module


@functools.cache
def _keep_defaults() -> None:
    """Each config gets the defaults of its parts as a copy of its own.

    Since 5.24 they are one dictionary of the class, in which a config fills in its rotary values:
    the next config of that class (GLM-ASR's) would have them too, though its file says nothing.
    """
    spec = getattr(import_module("transformers.configuration_utils"), "SubConfigSpec", None)
    if spec is not None:
        spec.init_kwargs = property(
            lambda self: copy.deepcopy(vars(self)["init_kwargs"]),
            lambda self, value: vars(self).update(init_kwargs=value),
        )


def installed(name: str) -> Any:
    """A library of the ``verify`` extra.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingDependencyError(
            f"{error.name} is not installed",
            where="live figures",
            hint="pip install 'hfkv[verify]'",
        ) from None


@functools.lru_cache(maxsize=1)
def pairs() -> tuple[tuple[str, str], ...]:
    """Every (model_type, class name) that generates text, each pair once, in mapping order."""
    transformers()
    auto = import_module("transformers.models.auto.modeling_auto")
    found: dict[tuple[str, str], None] = {}
    for mapping in MAPPINGS:
        for model_type, names in getattr(auto, mapping, {}).items():
            for name in names if isinstance(names, (tuple, list)) else (names,):
                found[(model_type, name)] = None
    return tuple(found)


def config_of(raw: Mapping[str, Any]) -> Any:
    """The config object that transformers makes of a ``config.json``, unquantized.

    Raises:
        UnsupportedError: the installed transformers does not know the ``model_type``.
    """
    library = transformers()
    values = copy.deepcopy(dict(raw))
    # How weights are packed does not change what the cache holds, but would need their loaders.
    values.pop("quantization_config", None)
    values.pop("auto_map", None)
    model_type = values.pop("model_type", None)
    if model_type not in library.CONFIG_MAPPING:
        raise UnsupportedError(
            f"transformers {library.__version__} has no class for model_type {model_type!r}",
            where="live figures",
        )
    # As a file is read: it may write infinity as an object.
    values = decoded(library, values)
    return library.CONFIG_MAPPING[model_type].from_dict(values)


def class_of(config: Any, name: str | None = None) -> Any:
    """The class that generates text for a config: ``name``, the one its ``architectures`` names,
    or the first of the mappings; of an encoder-decoder, the whole rather than the decoder alone."""
    library = transformers()
    known = [cls for model_type, cls in pairs() if model_type == config.model_type]
    if config.is_encoder_decoder:
        known.sort(key=lambda cls: cls.endswith("ForCausalLM"))
    for wanted in [name, *(getattr(config, "architectures", None) or [])]:
        if wanted in known:
            return getattr(library, wanted)
    if not known:
        raise UnsupportedError(
            f"transformers {library.__version__} has no text-generating class for "
            f"{config.model_type!r}",
            where="live figures",
        )
    return getattr(library, known[0])


@contextlib.contextmanager
def made_on(device: str, dtype: str = "bfloat16") -> Iterator[None]:
    """What is made meanwhile is made on this device, in this dtype, and without warnings."""
    import torch

    previous = torch.get_default_dtype()
    with warnings.catch_warnings(), torch.device(device):
        warnings.simplefilter("ignore")
        torch.set_default_dtype(getattr(torch, dtype))
        try:
            yield
        finally:
            torch.set_default_dtype(previous)


def build(
    config: Any, *, name: str | None = None, device: str = "meta", whole: bool = False
) -> Any:
    """The model of ``config`` in bfloat16, eager attention, in evaluation mode.

    What is built can be run: the few classes that need float32 or a real device get them, and of
    a model that does more than generate text the generating part is given. With ``whole`` it is
    all of the model as an adapter is put on it, whether it could be run or not.
    """
    cls = class_of(config, name)
    if not isinstance(config, cls.config_class):
        # A decoder alone is built from the decoder's part of the whole model's config.
        part = config.get_text_config(decoder=True)
        config = part if isinstance(part, cls.config_class) else config
    for part in (config, *_sub_configs(config)):
        part._attn_implementation = "eager"
        # A part that states its own dtype would be built in that one.
        part.dtype = None
        if getattr(part, "use_mamba_kernels", False):
            # They need a GPU, and some classes of 4.x insist on what their config says.
            part.use_mamba_kernels = False
    if config.model_type in _NEEDS_VALUES and not whole:
        device = "cpu"
    wide = config.model_type in _NEEDS_FLOAT32 and not whole
    with made_on(device, "float32" if wide else "bfloat16"):
        # Some classes make a parameter that does not follow the device.
        model = cls(config).to(device)
    if not whole:
        _keep_in_float32(model)
    return (model if whole else generating_part(model)).eval()


def _keep_in_float32(model: Any) -> None:
    """Widen what ``from_pretrained`` loads in float32 whatever the model's dtype."""
    import torch

    patterns = getattr(model, "_keep_in_fp32_modules_strict", None)
    if not patterns:
        return
    chosen = re.compile("|".join(sorted(patterns)).replace("*", ".*"))
    for name, held in (*model.named_parameters(), *model.named_buffers()):
        if chosen.search(name) and held.dtype in (torch.bfloat16, torch.float16):
            held.data = held.data.to(torch.float32)


def generating_part(model: Any) -> Any:
    """The part of a model that reads tokens, where the whole only speaks or acts.

    Omni models generate text by their ``thinker``; pi0 acts on what its ``vlm`` has read.
    """
    inner = getattr(model, "model", None)
    return getattr(model, "thinker", None) or getattr(inner, "vlm", None) or model


def _sub_configs(config: Any) -> list[Any]:
    found = []
    for key in getattr(config, "sub_configs", {}) or {}:
        part = getattr(config, key, None)
        if part is not None and hasattr(part, "to_dict"):
            found += [part, *_sub_configs(part)]
    return found
