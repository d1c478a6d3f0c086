"""A survey from Python."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from hfkv.surveys.asked import Asked, Columns, of_cards, of_configs, of_ids
from hfkv.surveys.hire import crew
from hfkv.surveys.question import Question
from hfkv.surveys.run import stream

__all__ = ["survey"]


def survey(
    ids: Iterable[str] | str | os.PathLike[str] | None = None,
    *,
    cards: str | os.PathLike[str] | None = None,
    configs: str | os.PathLike[str] | None = None,
    columns: Columns | None = None,
    tokens: int = 100_000,
    batch: int = 1,
    r: int | Sequence[int] = 32,
    target_modules: str = "all-linear",
    kv_dtype: str | Sequence[str] = "auto",
    lora_dtype: str = "auto",
    engine: str | Sequence[str] = "transformers",
    source: str = "auto",
    token: str | bool | None = None,
    on: str | None = None,
    workers: int | None = 1,
) -> Iterator[dict[str, Any]]:
    """The figures of many models, a row each, as they come: the rows of ``hfkv survey``.

    An error is a row as well; ``error`` says what it was. Several ranks, types or engines give a
    row for each. Rows of one batch of models come together, in no certain order of batches.

    Args:
        ids: Hub ids (``ORG/NAME``, ``ORG/NAME@REV``), or the path of a list of them.
        cards: in their place, a table of model cards (Parquet or JSON lines): no network.
        configs: in their place, a directory of configs, or a table of them.
        columns: which columns of a table hold what, where they have no usual names.
        tokens, batch, r, target_modules, kv_dtype, lora_dtype: as in :func:`hfkv.compare`.
        engine: names of serving engines, each with its defaults.
        source, token: as in :func:`hfkv.load`.
        on: a cluster, ``dask://HOST:PORT``, whose workers have the same hfkv.
        workers: processes on this machine; None for one a core, 1 for none but this.

    Raises:
        HfkvError: the list cannot be read, an argument is not usable, or a worker is not.

    >>> import hfkv
    >>> row, = hfkv.survey(["meta-llama/Meta-Llama-3-70B"], source="snapshot")
    >>> row["kv_cache_bytes"], row["lora_parameters"], row["pretraining_tokens"], row["error"]
    (32768000000, 414187520, 15000000000000, None)
    """
    question = Question(
        tokens=tokens,
        batch=batch,
        ranks=(r,) if isinstance(r, int) else tuple(r),
        target_modules=target_modules,
        kv_dtypes=_several(kv_dtype),
        lora_dtype=lora_dtype,
        engines=_several(engine),
    )
    asked = asked_of(ids, cards, configs, columns or Columns())
    return stream(asked, question, crew(on, None if on else workers, token), source=source)


def asked_of(ids: Any, cards: Any, configs: Any, columns: Columns) -> Asked:
    """What is asked about, of the one that is given.

    Raises:
        InputError: none of them is given, or several are.
    """
    from hfkv.errors import InputError

    given = [name for name, item in (("ids", ids), ("cards", cards), ("configs", configs))
             if item is not None]  # fmt: skip
    if len(given) != 1:
        raise InputError(
            f"found {' and '.join(given) or 'nothing'}",
            where="`ids`, `cards`, `configs`",
            expected="one of them",
        )
    if cards is not None:
        return of_cards(cards, columns)
    return of_ids(ids, columns) if configs is None else of_configs(configs, columns)


def _several(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
