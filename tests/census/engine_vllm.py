"""Rows of what vLLM plans, by the installed vLLM itself; no GPU is needed, and none is used.

    python -m tests.census.engine_vllm FOLDER h100 '{"fp8": {"kv_cache_dtype": "fp8"}}'

``FOLDER`` holds ``NAME.json`` files, each a ``config.json``. One JSON object a line is printed, as
``hfkv``'s reference rows have them: the layers' specs, and for some lengths the groups, the bytes
that one request needs, and the plan of 40 GiB. The keys of a variant are vLLM's own arguments;
``tp``, ``pp`` and ``dcp`` stand for the parallel sizes.

The wheel's Python is enough (unzip it and put it on ``PYTHONPATH``): the compiled kernels are
stubbed, the platform pretends to be the GPU, the process groups to be rank 0, and the model is
built on the meta device. What runs for real is what counts: the engine's arguments, the model's
own classes, the choice of attention backends, the alignment of blocks and pages, the grouping.
Packages that vLLM imports and that are not installed are stubbed too, as named by the environment
variable ``ENGINE_STUBS``.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

from tests.census.engine_stubs import Group, on_meta, pretend

LENGTHS = (1, 1000, 4096, 32768, 100000)
AVAILABLE = 40 << 30


def specs(platform: Any, path: str, rank: int, variant: dict[str, Any], tokens: int) -> Any:
    """The engine's config, and the specs of the layers of one pipeline stage."""
    import torch
    import vllm.distributed.parallel_state as parallel
    from vllm.config import set_current_vllm_config
    from vllm.engine.arg_utils import EngineArgs
    from vllm.model_executor.model_loader.utils import initialize_model
    from vllm.usage.usage_lib import UsageContext
    from vllm.v1.worker.gpu.attn_utils import get_kv_cache_spec

    own = dict(variant)
    tp, pp, dcp = (own.pop(name, 1) for name in ("tp", "pp", "dcp"))
    arguments = EngineArgs(
        model=path,
        tokenizer=path,
        skip_tokenizer_init=True,
        max_model_len=tokens,
        tensor_parallel_size=tp,
        pipeline_parallel_size=pp,
        decode_context_parallel_size=dcp,
        load_format="dummy",
        **own,
    )
    config = arguments.create_engine_config(usage_context=UsageContext.OPENAI_API_SERVER)
    parallel._TP, parallel._PP, parallel._EP = Group(tp), Group(pp, rank), Group(tp)
    parallel._DP = parallel._PCP = Group(1)
    parallel._DCP, parallel._WORLD = Group(dcp), Group(tp * pp)
    parallel._EPLB, parallel._NODE_COUNT = Group(tp), 1
    with set_current_vllm_config(config), torch.device("meta"), on_meta(torch):
        torch.set_default_dtype(config.model_config.dtype)
        try:
            initialize_model(config)
            speculative = config.speculative_config
            if speculative is not None:
                initialize_model(config, model_config=speculative.draft_model_config)
        finally:
            torch.set_default_dtype(torch.float32)
        platform.update_block_size_for_backend(config)
        return config, get_kv_cache_spec(config)


def row(platform: Any, path: str, variant: dict[str, Any]) -> dict[str, Any]:
    """One row: the layers, and the plan for each length."""
    from vllm.config import set_current_vllm_config
    from vllm.v1.attention.backends.utils import (
        get_supported_kv_cache_layouts,
        resolve_kv_cache_layout,
    )
    from vllm.v1.core import kv_cache_planning as planning
    from vllm.v1.core import kv_cache_utils as utils
    from vllm.v1.core.kv_cache_config_builder import get_kv_cache_config_builder
    from vllm.v1.worker.worker_base import get_current_attn_backends

    pp = variant.get("pp", 1)
    found: dict[str, Any] = {"args": variant, "results": []}
    # The specs do not depend on the length, but for the number that a block of states is given.
    ranks = []
    for rank in range(pp):
        config, layers = specs(platform, path, rank, variant, LENGTHS[-1])
        ranks.append(layers)
    for tokens in LENGTHS:
        config.model_config.max_model_len = tokens
        with set_current_vllm_config(config):
            if not any(ranks):
                found["results"].append({"tokens": tokens, "bytes_total": 0, "groups": []})
                continue
            layouts = [
                layout.name
                for layout in get_supported_kv_cache_layouts(get_current_attn_backends(config))
            ]
            every = [spec for layers in ranks for spec in layers.values()]
            layout = resolve_kv_cache_layout(config, [layouts] * pp, every)
            builder = get_kv_cache_config_builder(config)
            if tokens == LENGTHS[0]:
                _describe(found, config, ranks, layout.name)
            groups = planning.get_global_kv_cache_groups(config, ranks)
            projected = [
                planning._project_kv_cache_groups_to_worker(groups, layers) for layers in ranks
            ]
            needed = [
                planning._max_memory_usage_bytes_from_groups(builder, config, mine)
                for mine in projected
            ]
            block = [
                planning._pool_bytes_per_block_from_builder(builder, config, mine)
                for mine in projected
            ]
            result: dict[str, Any] = {
                "tokens": tokens,
                "bytes_total": needed[0] if pp == 1 else needed,
                "bytes_per_pool_block": block[0] if pp == 1 else block,
                "groups": [_group(config, group) for group in groups],
            }
            try:
                plans = planning.get_kv_cache_configs(config, ranks, [AVAILABLE] * pp, groups)
                plan = utils.generate_scheduler_kv_cache_config(plans)
                size, concurrency = utils.get_kv_cache_capacity(config, plan)
                result["capacity"] = {
                    "available": AVAILABLE,
                    "num_blocks": plan.num_blocks,
                    "kv_cache_tokens": size,
                    "max_concurrency": round(concurrency, 6),
                    "log": f"GPU KV cache size: {size:,} tokens, Maximum concurrency for "
                    f"{tokens:,} tokens per request: {concurrency:.2f}x",
                }
            except ValueError as error:
                result["capacity"] = {"error": str(error)[:200]}
            found["results"].append(result)
    return found


def _group(config: Any, group: Any) -> dict[str, Any]:
    spec = group.kv_cache_spec
    page = spec.page_size_bytes
    return {
        "n_layers": len(group.layer_names),
        "spec": type(spec).__name__,
        "block_size": spec.block_size,
        "page_bytes": page,
        "blocks_per_seq": -(-spec.max_memory_usage_bytes(config) // page),
    }


def _describe(found: dict[str, Any], config: Any, ranks: list[Any], layout: str) -> None:
    cache, scheduler = config.cache_config, config.scheduler_config
    found.update(
        block_size=cache.block_size,
        cache_dtype=cache.cache_dtype,
        layout=layout,
        dtype=str(config.model_config.dtype),
        max_num_batched_tokens=scheduler.max_num_batched_tokens,
        max_num_seqs=scheduler.max_num_seqs,
        max_in_flight=config.max_in_flight_tokens,
        mamba_mode=cache.mamba_cache_mode,
        prefix_caching=cache.enable_prefix_caching,
    )
    from vllm.config import get_layers_from_vllm_config
    from vllm.model_executor.layers.attention_layer_base import AttentionLayerBase

    modules = get_layers_from_vllm_config(config, AttentionLayerBase)
    found["backends"] = sorted({m.get_attn_backend().get_name() for m in modules.values()})
    layers: list[dict[str, Any]] = []
    for rank, named in enumerate(ranks):
        for name, spec in named.items():
            entry = _spec(spec)
            if len(ranks) > 1:
                entry["pp_rank"] = rank
            same = next((one for one in layers if entry.items() <= one.items()), None)
            if same is None:
                layers.append({**entry, "n": 1, "first": name})
            else:
                same["n"] += 1
    found["layers"] = layers


def _spec(spec: Any) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "kind": type(spec).__name__,
        "block_size": spec.block_size,
        "page_bytes": spec.page_size_bytes,
    }
    for key, name in (
        ("heads", "num_kv_heads"),
        ("head", "head_size"),
        ("head_v", "head_size_v"),
        ("window", "sliding_window"),
        ("chunk", "attention_chunk_size"),
        ("per_state", "tokens_per_state"),
        ("state_bytes", "state_content_size_bytes"),
        ("padded", "page_size_padded"),
        ("cache_dtype", "cache_dtype_str"),
        ("align", "block_stride_alignment"),
        ("shards", "max_tp_shards"),
        ("sharded", "dcp_sharded"),
        ("speculative", "num_speculative_blocks"),
        ("checkpoints", "num_prefill_checkpoint_blocks"),
    ):
        value = getattr(spec, name, None)
        if value is not None:
            entry[key] = value if isinstance(value, (int, str, bool)) else str(value)
    if hasattr(spec, "dtype"):
        entry["dtype"] = str(spec.dtype).removeprefix("torch.")
    if hasattr(spec, "shapes"):
        entry["shapes"] = [list(shape) for shape in spec.shapes]
        entry["dtypes"] = [str(dtype).removeprefix("torch.") for dtype in spec.dtypes]
        entry["type"] = str(spec.mamba_type)
    return entry


def main() -> None:
    """Print the rows of every config of the folder."""
    folder, gpu, variants = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
    wanted = set(sys.argv[4:])
    platform = pretend(gpu)
    for path in sorted(folder.glob("*.json")):
        if wanted and path.stem not in wanted:
            continue
        for name, variant in variants.items():
            with tempfile.TemporaryDirectory() as place:
                shutil.copy(path, Path(place) / "config.json")
                head = {"model": path.stem, "variant": name, "gpu": gpu}
                try:
                    body = row(platform, place, variant)
                except Exception as error:
                    print(head, traceback.format_exc(), file=sys.stderr)
                    text = str(error).replace(place, "MODEL")
                    body = {"args": variant, "error": f"{type(error).__name__}: {text[:400]}"}
                print(json.dumps({**head, **body}), flush=True)


if __name__ == "__main__":
    main()
