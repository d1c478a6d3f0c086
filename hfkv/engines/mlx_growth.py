"""How the cache classes of mlx-lm grow while a prompt is read and tokens are generated.

``generate_step`` reads all of a prompt but its last token in chunks of ``prefill_step_size``, and
every later token alone. Lengths are those of the arrays, in tokens. Chunks are multiples of 256,
so that buffers are never cut in the middle of a block.
"""

from __future__ import annotations

from dataclasses import dataclass

from hfkv.engines.arithmetic import ceil_div, round_up

__all__ = ["BLOCK", "Lengths", "Reading", "chunked", "growing", "rotating"]

#: Tokens in a block of a buffer that grows (``step`` of the cache classes).
BLOCK = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How the tokens come in.

    Attributes:
        tokens: all of them.
        alone: the last ones, that come one by one: the prompt's last and those generated.
        chunk: tokens of the others in one step.
    """

    tokens: int
    alone: int
    chunk: int

    @property
    def in_chunks(self) -> int:
        """Tokens that come in chunks."""
        return self.tokens - self.alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """The length of an array after the last whole chunk, after the whole prompt but its last
    token, and at the end. Over whole chunks no array ever shrinks."""

    whole: int
    read: int
    end: int


def growing(reading: Reading) -> Lengths:
    """``KVCache`` and ``QuantizedKVCache``: whole blocks."""
    read = round_up(reading.in_chunks, BLOCK)
    return Lengths(
        whole=reading.in_chunks // reading.chunk * reading.chunk,
        read=read,
        end=max(read, round_up(reading.tokens, BLOCK)),
    )


def rotating(reading: Reading, window: int) -> Lengths:
    """``RotatingKVCache``: every token of a chunk sees a whole window, so that a chunk stands
    beside ``window - 1`` older ones; a token alone cuts it back to the window."""
    chunks, rest = divmod(reading.in_chunks, reading.chunk)
    whole = min((chunks - 1) * reading.chunk, window - 1) + reading.chunk if chunks else 0
    read = whole
    if rest == 1:
        read = _alone(whole, chunks * reading.chunk, 1, window)
    elif rest:
        read = min(chunks * reading.chunk, window - 1) + rest
    end = _alone(read, reading.in_chunks, reading.alone, window)
    return Lengths(whole=whole, read=read, end=end)


def _alone(length: int, offset: int, count: int, window: int) -> int:
    """The length after tokens that come one by one: blocks until the window is there."""
    if not count:
        return length
    if length > window:
        return window
    missing = offset + count - length
    if missing <= 0 or length == window:
        return length
    return min(length + ceil_div(missing, BLOCK) * BLOCK, window)


def chunked(reading: Reading, chunk_size: int) -> Lengths:
    """``ChunkedKVCache``: before each step all but the last ``chunk_size`` tokens are let go."""
    chunks, rest = divmod(reading.in_chunks, reading.chunk)
    offset = chunks * reading.chunk
    whole = _front(offset - reading.chunk, reading.chunk, chunk_size) if chunks else 0
    read = _front(offset, rest, chunk_size) if rest else whole
    end = read
    if reading.alone:
        if reading.tokens - 1 > chunk_size:
            end = chunk_size + BLOCK
        else:
            end = max(read, round_up(reading.tokens, BLOCK))
    return Lengths(whole=whole, read=read, end=end)


def _front(offset: int, size: int, chunk_size: int) -> int:
    """The length after a chunk of ``size`` that comes when ``offset`` tokens are there."""
    if offset <= chunk_size:
        return round_up(offset + size, BLOCK)
    return chunk_size + round_up(size, BLOCK)
