"""Rows of what vLLM plans, by the installed vLLM itself; no GPU is needed, and none is used.

    python -m tests.census.engine_vllm FOLDER h100 '{"default": {}, "fp8": {"kv_cache_dtype": "fp8"}}'

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

import importlib.abc
import importlib.machinery
import json
import os
import shutil
import sys
import tempfile
import traceback
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

#: Compute capability, memory and name; a unit of compute is never asked for more than its number.
GPUS = {
    "h100": ((9, 0), 80 << 30, "NVIDIA H100 80GB HBM3"),
    "b200": ((10, 0), 179 << 30, "NVIDIA B200"),
    "l4": ((8, 9), 24 << 30, "NVIDIA L4"),
    "a100": ((8, 0), 80 << 30, "NVIDIA A100-SXM4-80GB"),
}
LENGTHS = (1, 1000, 4096, 32768, 100000)
AVAILABLE = 40 << 30
#: Modules of the wheel that are compiled, and so not among its Python.
COMPILED = (
    "vllm._C",
    "vllm._moe_C",
    "vllm._C_stable_libtorch",
    "vllm.vllm_flash_attn._vllm_fa2_C",
    "vllm.vllm_flash_attn._vllm_fa3_C",
)
#: Beginnings of the namespaces of its compiled operators.
KERNELS = ("_C", "_moe_C", "_vllm", "_flashmla", "_qutlass")


class _Meta(type):
    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Stub

    def __or__(cls, other: object) -> Any:
        return object

    __ror__ = __or__


class _Stub(metaclass=_Meta):
    """Whatever a stubbed module is asked for."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        pass

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return args[0] if len(args) == 1 and callable(args[0]) and not kwargs else self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Stub()

    def __iter__(self) -> Iterator[object]:
        return iter(())

    def __class_getitem__(cls, item: object) -> type[_Stub]:
        return cls


class _Module(types.ModuleType):
    __path__: list[str] = []  # noqa: RUF012

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (_Stub,), {})


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, names: set[str]) -> None:
        self.names = names

    def find_spec(
        self, name: str, path: object = None, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name in self.names or name.split(".")[0] in self.names:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        pass


class _Op:
    """A compiled operator that says yes to whatever it is asked."""

    def __call__(self, *args: object, **kwargs: object) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self


def _tolerant(function: Callable[..., Any]) -> Callable[..., Any]:
    """Registering a fake of a kernel that is not there is no error."""

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            made = function(*args, **kwargs)
        except RuntimeError:
            return lambda fake: fake

        def register(fake: Any) -> Any:
            try:
                return made(fake)
            except RuntimeError:
                return fake

        return register if callable(made) else made

    return wrapped


class _Group:
    """Rank 0 of a process group, or another one of a pipeline."""

    def __init__(self, size: int, rank: int = 0) -> None:
        self.world_size, self.rank_in_group, self.rank, self.local_rank = size, rank, rank, 0
        self.ranks = list(range(size))
        self.is_first_rank, self.is_last_rank = rank == 0, rank == size - 1
        self.first_rank, self.last_rank = 0, size - 1
        self.unique_name = "group"
        self.device_group = self.cpu_group = types.SimpleNamespace(
            size=lambda: size, rank=lambda: rank
        )
        self.device_communicator = None
        self.use_device_communicator = False

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **kwargs: args[0] if args else None


def pretend(gpu: str) -> Any:
    """The platform of a GPU that is not there; to be called once, before vLLM is used."""
    os.environ.update(
        VLLM_TARGET_DEVICE="cuda",
        HF_HUB_OFFLINE="1",
        VLLM_NO_USAGE_STATS="1",
        VLLM_ALLOW_LONG_MAX_MODEL_LEN="1",
        VLLM_LOGGING_LEVEL=os.environ.get("VLLM_LOGGING_LEVEL", "CRITICAL"),
        VLLM_CACHE_ROOT=tempfile.mkdtemp(),
    )
    stubs = os.environ.get("ENGINE_STUBS", "").split()
    sys.meta_path.append(_Finder({*COMPILED, *stubs}))
    import torch

    original = torch._ops._OpNamespace.__getattr__

    def operator(self: Any, name: str) -> Any:
        try:
            return original(self, name)
        except AttributeError:
            if name.startswith("__") or not self.name.startswith(KERNELS):
                raise
            return _Op()

    torch._ops._OpNamespace.__getattr__ = operator
    torch.library.register_fake = _tolerant(torch.library.register_fake)
    torch.library.Library.impl = _tolerant(torch.library.Library.impl)
    torch.library.Library._register_fake = _tolerant(torch.library.Library._register_fake)
    _pretend_cuda(torch, gpu)

    import vllm.triton_utils as triton
    from vllm.triton_utils import importing

    class Config:
        def __init__(self, kwargs: Any = None, num_warps: int = 4, num_stages: int = 1, **_: Any):
            self.kwargs, self.num_warps, self.num_stages = kwargs or {}, num_warps, num_stages

    triton.triton.Config = Config
    importing.HAS_TRITON = triton.HAS_TRITON = True

    import vllm.platforms as platforms
    from vllm.platforms.cuda import CudaPlatformBase
    from vllm.platforms.interface import DeviceCapability

    capability, memory, name = GPUS[gpu]

    class Pretended(CudaPlatformBase):
        get_device_capability = classmethod(lambda cls, device_id=0: DeviceCapability(*capability))
        get_device_name = classmethod(lambda cls, device_id=0: name)
        get_device_total_memory = classmethod(lambda cls, device_id=0: memory)
        get_device_uuid = classmethod(lambda cls, device_id=0: "none")
        is_fully_connected = classmethod(lambda cls, ids: True)
        device_count = classmethod(lambda cls: 8)
        log_warnings = classmethod(lambda cls: None)
        num_compute_units = classmethod(lambda cls, device_id=0: 132)

    platforms._current_platform = Pretended()
    import vllm.model_executor.models.registry as registry

    registry._run_in_subprocess = lambda function: function()
    return platforms._current_platform


def _pretend_cuda(torch: Any, gpu: str) -> None:
    capability, memory, name = GPUS[gpu]
    properties = types.SimpleNamespace(
        multi_processor_count=132,
        total_memory=memory,
        name=name,
        major=capability[0],
        minor=capability[1],
        shared_memory_per_block_optin=232448,
        warp_size=32,
    )
    torch.cuda.device_count = lambda: 8
    torch.cuda.is_available = lambda: True
    torch.cuda.current_device = lambda: 0
    torch.cuda.get_device_capability = lambda *args: capability
    torch.cuda.get_device_properties = lambda *args: properties
    torch.cuda.get_device_name = lambda *args: name
    torch.cuda.current_stream = lambda *args: _Stub()
    torch.cuda.Stream = torch.cuda.Event = torch.Stream = torch.Event = _Stub
    torch.cuda.is_current_stream_capturing = lambda: False
    torch.accelerator.current_device_index = lambda: 0
    torch.accelerator.is_available = lambda: True
    torch.accelerator.current_accelerator = lambda *args: torch.device("cuda")
    torch.accelerator.device_count = lambda: 8


def _on_meta(torch: Any) -> Any:
    """Tensors asked for on a GPU are made on the meta device."""
    from torch.overrides import TorchFunctionMode

    class OnMeta(TorchFunctionMode):
        def __torch_function__(
            self, function: Any, kinds: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            kwargs = dict(kwargs or {})
            device = kwargs.get("device")
            if "cuda" in str(device) or (isinstance(device, int) and device is not False):
                kwargs["device"] = "meta"
            kwargs.pop("pin_memory", None)
            name = getattr(function, "__name__", "")
            if name == "cuda":
                return args[0]
            if name in ("to", "_parse_to"):
                args = tuple(
                    "meta" if arg.__class__ is int or str(arg).startswith("cuda") else arg
                    for arg in args
                )
            return function(*args, **kwargs)

    return OnMeta()


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
    parallel._TP, parallel._PP, parallel._EP = _Group(tp), _Group(pp, rank), _Group(tp)
    parallel._DP = parallel._PCP = _Group(1)
    parallel._DCP, parallel._WORLD = _Group(dcp), _Group(tp * pp)
    parallel._EPLB, parallel._NODE_COUNT = _Group(tp), 1
    with set_current_vllm_config(config), torch.device("meta"), _on_meta(torch):
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
            same = next(
                (
                    one
                    for one in layers
                    if {k: v for k, v in one.items() if k not in ("n", "first")} == entry
                ),
                None,
            )
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
