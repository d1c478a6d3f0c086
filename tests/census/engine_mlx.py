"""Rows of what mlx-lm's own caches allocate, by the installed mlx-lm; no Apple machine is needed.

    pip install 'mlx[cpu]' mlx-lm
    python -m tests.census.engine_mlx FOLDER '{"default": {}, "kv_bits8": {"kv_bits": 8}}'

``FOLDER`` holds ``NAME.json`` files, each a ``config.json``. One JSON object a line is printed, as
hfkv's reference rows have them. The model classes are real and made from the config; arrays are
lazy, so that nothing is computed and no weights are needed. A prompt is read in steps of 2,048 but
for its last token, and that one and the generated ones come alone, as ``generate_step`` does.
Weights are taken to be bfloat16, but for those that the class itself keeps in float32.

``python -m tests.census.engine_mlx --modules`` prints what ``hfkv/data/engines/mlx-lm_*.json`` has
of the modules: which there are, which make a cache of their own, and what each must be told.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: Tokens in all, and how many of them are generated.
LENGTHS = ((1000, 8), (4096, 20), (20000, 8))
STEP = 2048


def main(arguments: list[str]) -> None:
    """Print the rows of all configs in a folder, or what the modules have."""
    if arguments[:1] == ["--modules"]:
        print(json.dumps(modules(), indent=1))
        return
    folder, variants = Path(arguments[0]), json.loads(arguments[1])
    for path in sorted(folder.glob("*.json")):
        config = json.loads(path.read_text("utf-8"))
        for variant, options in variants.items():
            results = [measured(config, tokens, alone, options) for tokens, alone in LENGTHS]
            row = {"model": path.stem, "variant": variant, "options": options, "results": results}
            print(json.dumps(row), flush=True)


def modules() -> dict[str, Any]:
    """Modules with a model, those with a cache of their own, and keys without a default."""
    package = importlib.import_module("mlx_lm.models")
    found: dict[str, Any] = {"models": [], "own_cache": [], "requires": {}}
    for name in sorted(item.name for item in pkgutil.iter_modules(package.__path__)):
        try:
            module = importlib.import_module(f"mlx_lm.models.{name}")
        except (ImportError, SystemExit):
            # A module may ask for a package of its own, and end the process without it.
            continue
        if not hasattr(module, "Model") or not hasattr(module, "ModelArgs"):
            continue
        found["models"].append(name)
        if hasattr(module.Model, "make_cache"):
            found["own_cache"].append(name)
        missing = dataclasses.MISSING
        needed = [
            item.name
            for item in dataclasses.fields(module.ModelArgs)
            if item.default is missing and item.default_factory is missing
        ]
        found["requires"][name] = [key for key in needed if key != "model_type"]
    return found


def measured(
    config: dict[str, Any], tokens: int, generated: int, options: dict[str, Any]
) -> dict[str, Any]:
    """Bytes of the caches while the prompt is read and at the end, or the library's own error."""
    try:
        return {
            "tokens": tokens,
            "decoded": generated,
            **_measured(config, tokens, generated, options),
        }
    except Exception as error:
        return {"tokens": tokens, "error": f"{type(error).__name__}: {error}"[:300]}


def _measured(
    config: dict[str, Any], tokens: int, generated: int, options: dict[str, Any]
) -> dict[str, Any]:
    mx = importlib.import_module("mlx.core")
    cache = importlib.import_module("mlx_lm.models.cache")
    quantize = importlib.import_module("mlx_lm.generate").maybe_quantize_kv_cache
    model = _model(config)
    caches = cache.make_prompt_cache(model, options.get("max_kv_size"))

    def read(count: int) -> int:
        model(mx.zeros((1, count), dtype=mx.int32), cache=caches)
        quantize(
            caches,
            options.get("quantized_kv_start", 0),
            options.get("kv_group_size", 64),
            options.get("kv_bits"),
        )
        return sum(int(item.nbytes) for item in caches)

    prompt = tokens - generated
    sizes = [0]
    step = options.get("prefill_step_size", STEP)
    for start in range(0, prompt - 1, step):
        sizes.append(read(min(step, prompt - 1 - start)))
    last = sizes[-1]
    for _ in range(generated + 1):
        last = read(1)
    return {
        "prompt": prompt,
        "bytes_after_prefill": sizes[-1],
        "peak_prefill": max(sizes),
        "bytes_total": last,
        "cache": list(_described(caches)),
    }


def _model(config: dict[str, Any]) -> Any:
    mx = importlib.import_module("mlx.core")
    utils = importlib.import_module("mlx.utils")
    cls, arguments = importlib.import_module("mlx_lm.utils")._get_classes(config)
    model = cls(arguments.from_dict(config))
    narrow = getattr(model, "cast_predicate", lambda name: True)
    cast = [
        (name, array.astype(mx.bfloat16) if array.dtype == mx.float32 and narrow(name) else array)
        for name, array in utils.tree_flatten(model.parameters())
    ]
    model.update(utils.tree_unflatten(cast))
    return model


def _described(caches: list[Any]) -> Iterator[dict[str, Any]]:
    for item in caches:
        inner = getattr(item, "caches", None)
        if inner is not None:
            yield from _described(list(inner))
            continue
        arrays = item.cache if hasattr(item, "cache") else (item.keys, item.values)
        flat = importlib.import_module("mlx.utils").tree_flatten(list(arrays))
        shapes = [f"{list(array.shape)} {array.dtype}" for _, array in flat if array is not None]
        yield {"cls": type(item).__name__, "arrays": shapes, "bytes": int(item.nbytes)}


if __name__ == "__main__":
    main(sys.argv[1:])
