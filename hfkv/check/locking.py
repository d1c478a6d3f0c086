"""Which models a project's checks name, and bringing its lock up to date with them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hfkv.check.budgets import read_budgets
from hfkv.check.claims import MARKDOWN, find_claims
from hfkv.check.document import Document
from hfkv.check.finding import Finding
from hfkv.check.models import local_path
from hfkv.check.question import parse_question
from hfkv.check.recognize import Part
from hfkv.check.run import Passing, documents, open_lock, parts
from hfkv.check.settings import Settings
from hfkv.errors import HfkvError, InputError, NotFoundError
from hfkv.model import Model
from hfkv.reading import printable
from hfkv.source.files import Files
from hfkv.source.lock import Lock, dump_lock, lock_key, read_lock, record_of
from hfkv.source.reference import plainly

__all__ = ["Locked", "Named", "check_lock", "lock", "named_models", "outdated_models"]

#: An adapter of an adapter is not a chain that PEFT loads; two steps see to it that it ends.
_STEPS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A model on the Hub that a check needs.

    Attributes:
        model, revision: what to fetch.
        path, line: who names it first.
    """

    model: str
    revision: str | None
    path: str
    line: int

    @property
    def key(self) -> str:
        """Its name in the lock."""
        return lock_key(self.model, self.revision)


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """What locking did.

    Attributes:
        changes: model to what became of it, a word or two: ``locked``, ``upgraded``,
            ``unchanged``, ``removed`` or ``failed``, with the commit or the reason.
        written: the lock was written.
        failed: models that could not be had.
    """

    changes: Mapping[str, str]
    written: bool
    failed: int


def named_models(settings: Settings, passing: Passing | None = None) -> dict[str, Named]:
    """Every model on the Hub that the project's checks name, by its name in lower case.

    Args:
        settings: the project's.
        passing: takes in the comments of the files that are read.

    Raises:
        InputError: a budget cannot be read.
    """
    found: dict[str, Named] = {}
    for named in _named(settings, passing):
        if local_path(named.model, settings.root) is None:
            found.setdefault(named.key.lower(), named)
    return found


def _named(settings: Settings, passing: Passing | None) -> Iterator[Named]:
    root = settings.root
    for model in settings.models:
        name, revision = plainly(model, None)
        yield Named(model=name, revision=revision, path=settings.path, line=1)
    for budget in read_budgets(settings):
        if budget.model is not None:
            yield Named(
                model=budget.model,
                revision=budget.revision,
                path=settings.path,
                line=budget.line,
            )
    # What cannot be read is for `hfkv check` to say.
    for document in documents(settings, (), []):
        near = document.file.parent
        if passing is not None:
            passing.add(document)
        try:
            for part in parts(settings, document):
                named = _claimed(document) if part.kind == "claims" else _asked(document, part)
                yield from (item for item in named if not local_path(item.model, root, near))
        except HfkvError:
            continue


def _claimed(document: Document) -> Iterator[Named]:
    for claim in find_claims(document.text, markdown=document.suffix in MARKDOWN):
        if claim.fault:
            continue
        try:
            question = parse_question(claim.question)
        except InputError:
            continue
        yield Named(
            model=question.model,
            revision=question.revision,
            path=document.path,
            line=claim.line,
        )


def _asked(document: Document, part: Part) -> Iterator[Named]:
    asked = part.asked
    if asked is not None and asked.base is not None and not asked.foreign:
        yield Named(
            model=asked.base,
            revision=asked.revision,
            path=document.path,
            line=document.place(asked.base_path).line,
        )


def lock(
    settings: Settings,
    load: Callable[[str, str | None], Model],
    *,
    upgrade: str | None = None,
    everything: bool = False,
) -> Locked:
    """Lock what is named and not locked, drop what is not named, and write the lock.

    Args:
        settings: the project's.
        load: how to fetch a model by name and revision.
        upgrade: a model to fetch anew, as the lock names it.
        everything: fetch every model anew.

    Raises:
        InputError: ``upgrade`` names a model that no check names.
        RecordError: the lock as a whole cannot be read.
        HfkvError: the lock cannot be written.
    """
    wanted = named_models(settings)
    old = _old(settings)
    known = {name.lower(): name for name in old.keys}
    if upgrade is not None and upgrade.lower() not in {*wanted, *known}:
        raise InputError(
            f"no check names {printable(upgrade)}",
            where="--upgrade",
            expected=printable(", ".join(sorted(item.key for item in wanted.values())), 600)
            or "a model; none is named",
        )
    anew = {*wanted, *known} if everything else set() if upgrade is None else {upgrade.lower()}
    records: dict[str, Mapping[str, Any]] = {}
    changes: dict[str, str] = {}
    failed = 0
    pending = dict(wanted)
    for _ in range(_STEPS):
        before = {key: old.records.get(known.get(key, "")) for key in pending}
        asked = [key for key in pending if before[key] is None or key in anew]
        fetched = _fetch([pending[key] for key in asked], load)
        bases: dict[str, Named] = {}
        for key, named in pending.items():
            record = before[key]
            fresh = fetched.get(named.key)
            if isinstance(fresh, HfkvError):
                failed += 1
                changes[named.key] = f"failed: {printable(str(fresh), 600)}"
            elif fresh is not None:
                changes[named.key] = _change(record, fresh)
                record = fresh
            else:
                changes[named.key] = "unchanged"
            if record is not None:
                records[key] = record
                base = _base(record, named)
                if base is not None and base.key.lower() not in {*wanted, *records}:
                    bases[base.key.lower()] = base
        pending = bases
    for key, name in known.items():
        if key not in {change.lower() for change in changes}:
            changes[name] = "removed: no check names it"
    written = _write(settings, dump_lock(records.values()))
    return Locked(changes=changes, written=written, failed=failed)


def _fetch(
    models: Sequence[Named], load: Callable[[str, str | None], Model]
) -> dict[str, Mapping[str, Any] | HfkvError]:
    """The records of models, fetched side by side; of those that cannot be had, the error."""

    def one(named: Named) -> Mapping[str, Any] | HfkvError:
        try:
            return _record(load(named.model, named.revision), named)
        except HfkvError as error:
            return error

    if len(models) < 2:
        return {named.key: one(named) for named in models}
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers=4) as pool:
        found = pool.map(one, models)
        return {named.key: record for named, record in zip(models, found, strict=True)}


def _old(settings: Settings) -> Lock:
    try:
        return read_lock(settings.lock_path, where=settings.lock)
    except NotFoundError:
        return Lock(where=settings.lock)


def _record(model: Model, named: Named) -> Mapping[str, Any]:
    """A model's record, under the name by which the checks ask for it."""
    facts = model.facts
    texts = {name: json.dumps(value).encode() for name, value in facts.extra.items()}
    statement = None
    if facts.config is not None:
        texts["config.json"] = json.dumps(facts.config).encode()
        statement = model.pretraining.to_json()
    files = Files(
        model=named.model,
        source=facts.source,
        revision=named.revision,
        commit=facts.commit,
        texts=texts,
        tensors=facts.tensors,
        missing=facts.missing,
        notes=facts.notes,
    )
    return record_of(files, statement)


def _base(record: Mapping[str, Any], named: Named) -> Named | None:
    """The base of an adapter repository, whose figures are the base's."""
    files = record.get("files") or {}
    adapter = files.get("adapter_config.json")
    if "config.json" in files or not isinstance(adapter, dict):
        return None
    name, revision = adapter.get("base_model_name_or_path"), adapter.get("revision")
    if not isinstance(name, str) or not name:
        return None
    return replace(named, model=name, revision=revision if isinstance(revision, str) else None)


def _change(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> str:
    at = f" at {after['commit'][:12]}" if after.get("commit") else " without a commit"
    origin = f": {printable(after['provenance'].partition(':')[0], 300)}"
    if before is None:
        return f"locked{at}{origin}"
    if before.get("digest") == after.get("digest"):
        return "unchanged"
    was = f" from {before['commit'][:12]}" if before.get("commit") else ""
    return f"upgraded{was}{at}{origin}"


def _write(settings: Settings, text: str) -> bool:
    from hfkv.check.rewrite import replace_file

    path = settings.lock_path
    if path.exists() and path.read_bytes().replace(b"\r\n", b"\n") == text.encode():
        return False
    replace_file(path, text.encode())
    return True


def outdated_models(settings: Settings, load: Callable[[str, str | None], Model]) -> dict[str, str]:
    """The locked models that are elsewhere now, each with what became of it, in words.

    Args:
        settings: the project's.
        load: how to fetch a model by name and revision.

    Raises:
        HfkvError: the lock cannot be read.
    """
    old = _old(settings)
    named = {
        key: Named(
            model=record["model"],
            revision=record.get("revision"),
            path=settings.lock,
            line=old.lines[key],
        )
        for key, record in old.records.items()
    }
    fetched = _fetch(list(named.values()), load)
    found = {key: printable(fault.error.what) for key, fault in old.faults.items()}
    for key, item in named.items():
        before, after = old.records[key], fetched[item.key]
        if isinstance(after, HfkvError):
            found[key] = f"cannot be had: {printable(str(after), 600)}"
            continue
        was, now = str(before.get("commit") or ""), str(after.get("commit") or "")
        notes = [note for note in after.get("notes", ()) if note.startswith("the repository was")]
        if notes and notes[0] not in before.get("notes", ()):
            found[key] = printable(notes[0])
        elif now and not was:
            found[key] = f"locked without a commit, and at {now[:12]} on the Hub"
        elif now and was != now:
            same = before.get("files") == after.get("files") and before.get("tensors") == after.get(
                "tensors"
            )
            more = ", with the same config and tensors" if same else ""
            found[key] = f"locked at {was[:12]}, and at {now[:12]} now{more}"
    return dict(sorted(found.items()))


def check_lock(settings: Settings) -> list[Finding]:
    """Why the lock is not up to date; empty where it is. No network.

    Raises:
        InputError: a budget cannot be read.
    """
    findings: list[Finding] = []
    passing = Passing(settings)
    found, broken = open_lock(settings, findings)
    if broken:
        return [item for item in findings if passing.stays(item)]
    wanted = named_models(settings, passing)
    there = {name.lower(): name for name in (found.keys if found is not None else ())}
    for key, named in wanted.items():
        if key not in there:
            findings.append(
                Finding(
                    path=named.path,
                    line=named.line,
                    code="HFKV006",
                    message=f"{printable(named.key)} is not in {settings.lock}: run `hfkv lock`",
                )
            )
    needed = set(wanted)
    for name, record in found.records.items() if found is not None else ():
        if name.lower() in wanted:
            base = _base(record, wanted[name.lower()])
            if base is not None:
                needed.add(base.key.lower())
    for key, name in there.items():
        if key not in needed and found is not None:
            findings.append(
                Finding(
                    path=settings.lock,
                    line=found.lines[name],
                    code="HFKV006",
                    message=f"no check names {printable(name)}: run `hfkv lock`",
                )
            )
    return [item for item in findings if passing.stays(item)]
