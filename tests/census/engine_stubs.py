"""What lets an engine's Python run without its kernels, its GPU and the packages it does not need.

Modules and compiled operators that are not there are stubbed, CUDA and the process groups pretend.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import sys
import tempfile
import types
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["GPUS", "Group", "on_meta", "pretend"]

#: Compute capability, memory and name; a unit of compute is never asked for more than its number.
GPUS = {
    "h100": ((9, 0), 80 << 30, "NVIDIA H100 80GB HBM3"),
    "b200": ((10, 0), 179 << 30, "NVIDIA B200"),
    "l4": ((8, 9), 24 << 30, "NVIDIA L4"),
    "a100": ((8, 0), 80 << 30, "NVIDIA A100-SXM4-80GB"),
}
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


class Group:
    """Rank 0 of a process group, or another one of a pipeline."""

    def __init__(self, size: int, rank: int = 0) -> None:
        self.world_size, self.rank_in_group, self.rank, self.local_rank = size, rank, rank, 0
        self.ranks = list(range(size))
        self.is_first_rank, self.is_last_rank = rank == 0, rank == size - 1
        self.first_rank, self.last_rank = 0, size - 1
        self.unique_name = "group"
        self.device_group = self.cpu_group = types.SimpleNamespace(
            size=lambda: size, rank=lambda: rank, world_size=size
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


def on_meta(torch: Any) -> Any:
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
