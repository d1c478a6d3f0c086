"""How vLLM deals layers into groups that claim blocks of one pool.

vLLM 0.33.0, ``vllm/v1/core/kv_cache_planning.py``: layers of one kind are one group; layers of
several kinds are dealt into groups of equally many layers, each of which claims blocks of its own,
so that the layers that pad a group are paid for. A block of the pool is as wide as the widest
group.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hfkv.engines.arithmetic import ceil_div
from hfkv.engines.vllm.specs import Request, Spec
from hfkv.errors import UnsupportedError

__all__ = ["Group", "bytes_per_block", "groups_of"]

#: One layer: its number among those that keep something, and what it asks for.
Layer = tuple[int, Spec]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Layers that share one table of blocks."""

    layers: tuple[Layer, ...]

    @property
    def specs(self) -> tuple[Spec, ...]:
        """Their specs."""
        return tuple(spec for _, spec in self.layers)

    @property
    def page(self) -> int:
        """Bytes of one block of all its layers."""
        return sum(spec.page for spec in self.specs)

    def blocks(self, request: Request) -> int:
        """Blocks that one request claims."""
        return max(spec.blocks(request) for spec in self.specs)

    def on(self, layers: frozenset[int]) -> Group:
        """What of it one pipeline stage holds; perhaps no layer."""
        return Group(layers=tuple(layer for layer in self.layers if layer[0] in layers))


def bytes_per_block(groups: Sequence[Group]) -> int:
    """Bytes of one block of the pool."""
    return max((group.page for group in groups), default=0)


def groups_of(specs: Sequence[Spec], *, hybrid: bool = True, packed: bool = False) -> list[Group]:
    """The groups of all layers.

    Args:
        specs: the layers' specs in order.
        hybrid: False with ``--disable-hybrid-kv-cache-manager``.
        packed: whether the cache's layout puts blocks outermost, so that pages of different sizes
            can lie side by side in one.

    Raises:
        UnsupportedError: vLLM has no way to serve such layers together.
    """
    layers = list(enumerate(specs if hybrid else _promoted(specs)))
    if not layers:
        return []
    if len({spec.merge_key for _, spec in layers}) == 1:
        _check_windows([spec for _, spec in layers])
        return [Group(layers=tuple(layers))]
    if len({spec.uniform_key for _, spec in layers}) == 1:
        return [Group(layers=tuple(layers))]
    if packed and len({spec.page for _, spec in layers}) > 1:
        return _packed(layers)
    return _equal(_one_page(layers))


def _check_windows(specs: Sequence[Spec]) -> None:
    windows = {spec.window for spec in specs if spec.family == "full" and spec.window is not None}
    if len(windows) > 1:
        raise UnsupportedError(
            f"windows of {', '.join(map(str, sorted(windows)))} tokens in one group",
            expected="one window for all layers without the hybrid cache manager",
        )


def _promoted(specs: Sequence[Spec]) -> list[Spec]:
    """Windows and chunks as full attention, where there is full attention beside them."""
    if len({s.merge_key for s in specs}) == 1 or len({s.uniform_key for s in specs}) == 1:
        return list(specs)
    full = [spec for spec in specs if spec.family in ("full", "mla")]
    sizes = {spec.block for spec in full}
    found: list[Spec] = []
    for spec in specs:
        if spec.family == "sliding mla":
            raise UnsupportedError(
                "windows of latents cannot be stored as full attention",
                expected="the hybrid cache manager",
                hint="vLLM fails on --disable-hybrid-kv-cache-manager for this model",
            )
        if not full or spec.family not in ("sliding", "chunked"):
            found.append(spec)
            continue
        block = sizes.copy().pop() if len(sizes) == 1 else spec.block
        padded = spec.padded
        if padded is not None:
            padded = max(padded, spec.unpadded * block // spec.block)
        promoted = replace(
            spec,
            family="full",
            block=block,
            padded=padded,
            retained=0,
        )
        found.append(promoted)
    uniform = len({spec.uniform_key for spec in found}) == 1
    if not uniform and len({spec.merge_key for spec in found}) != 1:
        raise UnsupportedError(
            "layers that have no one type in common",
            expected="the hybrid cache manager",
            hint="vLLM refuses --disable-hybrid-kv-cache-manager for this model",
        )
    return found


def _one_page(layers: Sequence[Layer]) -> list[Layer]:
    """Every layer with a page of the same size: by a larger block, or by padding."""
    largest = max(spec.page for _, spec in layers)
    found: list[Layer] = []
    for index, spec in layers:
        if spec.page == largest:
            found.append((index, spec))
        elif spec.family == "state":
            found.append((index, replace(spec, padded=largest)))
        elif largest % spec.page == 0:
            found.append((index, spec.with_block(spec.block * (largest // spec.page))))
        elif spec.family == "mla":
            raise UnsupportedError(
                f"a latent page of {spec.page} bytes beside one of {largest}",
                expected="pages of which one divides the other",
            )
        else:
            found.append((index, replace(spec, padded=largest)))
    return found


def _equal(layers: Sequence[Layer]) -> list[Group]:
    """Groups of equally many layers, the last ones filled up by layers that are not there."""
    kinds: defaultdict[Spec, list[Layer]] = defaultdict(list)
    for index, spec in layers:
        kinds[spec.merge_key].append((index, spec))
    counts = [len(kind) for kind in kinds.values()]
    size = min(counts)
    if max(counts) < size * 1.5:
        size = max(counts)
    found: list[Group] = []
    for kind in kinds.values():
        groups = ceil_div(len(kind), size)
        found += [Group(layers=tuple(kind[start::groups])) for start in range(groups)]
    return found


def _packed(layers: Sequence[Layer]) -> list[Group]:
    """Groups whose pages of several sizes lie side by side in a block."""
    buckets: defaultdict[tuple[object, ...], list[Layer]] = defaultdict(list)
    for layer in layers:
        buckets[layer[1].uniform_key].append(layer)
    made = [_Bucket(bucket) for bucket in buckets.values()]
    floor = max((one.repeats for one in made if one.balanced and len(one.pages) > 1), default=0)
    repeats = (
        _least_padding([one.repeats for one in made if one.balanced], floor) if floor else None
    )
    anchor = max(
        one.widest(len(one.layers) if one.is_state(repeats) else one.groups(repeats))
        for one in made
    )
    found: list[Group] = []
    for one in made:
        count = one.groups(repeats)
        if anchor and one.is_state(repeats):
            states = max(anchor // one.layers[0][1].page, 1)
            count = max(count, ceil_div(len(one.layers), states))
        found += one.split(count)
    return found


@dataclass(frozen=True, slots=True)
class _Bucket:
    """Layers that can share a group."""

    layers: list[Layer]

    @property
    def pages(self) -> dict[int, list[Layer]]:
        found: defaultdict[int, list[Layer]] = defaultdict(list)
        for layer in self.layers:
            found[layer[1].page].append(layer)
        return found

    @property
    def balanced(self) -> bool:
        return len({len(layers) for layers in self.pages.values()}) == 1

    @property
    def repeats(self) -> int:
        return max(len(layers) for layers in self.pages.values())

    def groups(self, repeats: int | None) -> int:
        if self.balanced and repeats is not None:
            return ceil_div(self.repeats, repeats)
        return 1

    def widest(self, count: int) -> int:
        return sum(ceil_div(len(layers), count) * page for page, layers in self.pages.items())

    def is_state(self, repeats: int | None) -> bool:
        family = self.layers[0][1].family
        return family == "state" or (repeats is None and family.startswith("sliding"))

    def split(self, count: int) -> list[Group]:
        if count == 1:
            return [Group(layers=tuple(self.layers))]
        repeats = list(zip(*self.pages.values(), strict=False))
        return [
            Group(layers=tuple(layer for repeat in repeats[start::count] for layer in repeat))
            for start in range(count)
        ]


def _least_padding(counts: Sequence[int], least: int) -> int:
    """The size, of at least ``least``, that rounds all up with the least padding; the largest."""
    best, padding = max(1, least), None
    for size in range(max(1, least), max(counts) + 1):
        found = sum(-count % size for count in counts)
        if padding is None or found <= padding:
            best, padding = size, found
    return best
