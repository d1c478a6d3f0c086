"""A survey from its question to its rows: as they come, or written so that nothing is lost."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from hfkv import __version__
from hfkv.errors import InputError, RecordError
from hfkv.reading import printable
from hfkv.surveys.asked import Asked
from hfkv.surveys.before import Before
from hfkv.surveys.columns import FORMAT
from hfkv.surveys.crews import Crew
from hfkv.surveys.drive import Progress, drive
from hfkv.surveys.formats import by_model, decode, has_arrow, read_rows
from hfkv.surveys.output import Output
from hfkv.surveys.question import Question
from hfkv.surveys.rows import Item, Row
from hfkv.surveys.work import Setting

__all__ = ["Done", "stream", "write"]

#: Models in a batch, by what they cost: requests, or the reading of a card.
BATCH = {"hub": 32, "cards": 64, "configs": 32}

#: Errors of what is asked, not of what was read: they are the same the next time.
_LASTING = ("AddressError", "NotFoundError")


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a survey came to.

    Attributes:
        manifest: what was asked, with which versions, and how many rows it is.
        progress: of this run; None where there was nothing left to do.
        errors: models that could not be read, by the kind of error, in the whole table.
        refused: models that refused a figure: the cache, the adapter.
        notes: what is to be said of the run.
    """

    manifest: Mapping[str, Any]
    progress: Progress | None
    errors: Mapping[str, int]
    refused: Mapping[str, int]
    notes: tuple[str, ...]


def setting_of(asked: Asked, question: Question, source: str, encoding: str) -> Setting:
    """What is the same for all batches.

    Raises:
        InputError: the question is not usable.
    """
    if source not in ("auto", "hub", "cache", "snapshot"):
        raise InputError(
            f"found {source!r}", where="`source`", expected="auto, hub, cache or snapshot"
        )
    question.check()
    from huggingface_hub import constants

    return Setting(
        kind=asked.kind,
        question=question,
        source=source,
        endpoint=constants.ENDPOINT,
        encoding="parquet" if encoding == "parquet" else "jsonl",
    )


def _batches(
    asked: Asked,
    *,
    skip: Collection[int] = (),
    before: Before | None = None,
    skipped: Callable[[int], None] = lambda models: None,
) -> Iterator[tuple[int, list[Item]]]:
    items = asked.items()
    number = 0
    while batch := list(islice(items, BATCH[asked.kind])):
        if number in skip:
            skipped(len(batch))
        else:
            yield number, [_known(item, before) for item in batch]
        number += 1


def _known(item: dict[str, Any], before: Before | None) -> Item:
    """The item with what an earlier survey found of it, unless it is to be read anew."""
    found = None if before is None else before.of(item)
    if not found:
        return item
    if found[0]["error_type"] in _LASTING:
        return {**item, "before": found, "settled": True}
    if found[0]["commit"] is None:
        return item
    return {**item, "before": found}


def stream(asked: Asked, question: Question, crew: Crew, *, source: str = "auto") -> Iterator[Row]:
    """The rows as they come, batch by batch; nothing is written."""
    try:
        setting = setting_of(asked, question, source, "parquet" if has_arrow() else "jsonl")
        for _, bodies in drive(_batches(asked), setting, crew, Progress(total=asked.total)):
            for body in bodies:
                yield from decode(body, setting.encoding)
    finally:
        crew.close()
        asked.close()


def write(
    asked: Asked,
    question: Question,
    output: Output,
    crew: Callable[[], Crew],
    *,
    source: str = "auto",
    update: bool = False,
    tell: Callable[[Progress], None] = lambda progress: None,
) -> Done:
    """Write the survey, or go on with one that was begun.

    Args:
        asked: the models; question: what is asked of each.
        output: where to.
        crew: makes the workers, where there is anything to do.
        source: where models of the Hub are read from.
        update: of a survey that is done, ask again for what has changed, or failed for a reason
            that may have passed.
        tell: called again and again with how far it is.

    Raises:
        RecordError: something else is there: other options, another version, no survey.
        SourceError: it cannot be written.
    """
    setting = setting_of(asked, question, source, output.encoding)
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "hfkv": __version__,
        **asked.identity,
        "what": asked.what,
        "question": question.to_json(),
        "source": source if asked.kind == "hub" else "given",
        "endpoint": setting.endpoint if asked.kind == "hub" else "",
        "batch": BATCH[asked.kind],
    }
    notes: list[str] = [output.changed] if output.changed else []
    before: Before | None = None
    with output.writing():
        begun = output.begun()
        if begun is None:
            done = output.done()
            if done is not None and not update:
                _same(done, manifest, output)
                return _tally(output, done, None, [*notes, "it was done already"])
            output.clear()
            if done is not None:
                _same(done, manifest, output, update=True)
                if done["hfkv"] != __version__:
                    notes.append(
                        f"all is asked anew: it was made by hfkv {done['hfkv']}, and one table "
                        "holds the figures of one version"
                    )
                else:
                    Before.make(output.before, output.path)
                    manifest["updates"] = True
            if not asked.digest:
                asked.save(output.asked)
            output.begin(manifest)
        else:
            _same(begun, manifest, output)
            manifest = begun
            notes.append("it went on from what was written before")
        if not asked.digest:
            asked = asked.saved(output.asked)
        if manifest.get("updates"):
            before = Before(output.before)
        progress = Progress(total=asked.total)

        def skipped(models: int) -> None:
            progress.skipped += models

        batches = _batches(asked, skip=output.written(), before=before, skipped=skipped)
        tell(progress)
        workers = crew()
        try:
            for number, bodies in drive(batches, setting, workers, progress, tell):
                output.part(number, bodies)
        finally:
            workers.close()
            if before is not None:
                before.close()
        models = progress.skipped + progress.done
        manifest.pop("updates", None)
        manifest["models"] = models
        parts = -(-models // BATCH[asked.kind])
        manifest = output.finish(manifest, parts)
    if asked.duplicates:
        notes.append(f"{asked.duplicates:,} were named again, and asked about once")
    return _tally(output, manifest, progress, notes)


#: What must be the same for two surveys to be one table, and how it is called.
_KEYS = {
    "kind": "another kind of survey",
    "list": "another list of models",
    "question": "another question",
    "source": "another source",
    "endpoint": "another Hub",
    "batch": "another way of writing",
    "hfkv": "another version of hfkv",
}


def _same(
    there: Mapping[str, Any], wanted: Mapping[str, Any], output: Output, *, update: bool = False
) -> None:
    """Refuse to write one survey into another.

    Raises:
        RecordError: they are not the same.
    """
    for key, words in _KEYS.items():
        if update and key in ("list", "hfkv", "batch"):
            continue
        found, asked = there.get(key), wanted[key]
        if found == asked:
            continue
        if isinstance(found, Mapping) and isinstance(asked, Mapping):
            # Of a question what differs.
            differs = [name for name in asked if found.get(name) != asked[name]]
            found = {name: found.get(name) for name in differs}
            asked = {name: asked[name] for name in differs}
        hint = "another -o, or the same options as before"
        if key == "list":
            hint += "; hfkv survey --update takes a new list once it is done"
        raise RecordError(
            f"holds {words}: {printable(json.dumps(found), 300)}",
            where=printable(str(output.path)),
            expected=printable(json.dumps(asked), 300),
            hint=hint,
        )


def _tally(
    output: Output, manifest: Mapping[str, Any], progress: Progress | None, notes: list[str]
) -> Done:
    """Count what the table holds, a model once."""
    errors: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    columns = ("model", "revision", "error_type", "kv_cache_error", "lora_error")
    for row, *_ in by_model(read_rows(output.path, columns)):
        if row["error_type"]:
            errors[row["error_type"]] += 1
        for name in ("kv_cache", "lora"):
            refused[name] += bool(row[f"{name}_error"])
    return Done(
        manifest=manifest,
        progress=progress,
        errors=dict(errors.most_common()),
        refused={name: count for name, count in refused.items() if count},
        notes=tuple(notes),
    )
