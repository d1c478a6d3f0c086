"""One run: find the files, check each, and let pass what is ignored."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from hfkv.check.adapters import Adapters
from hfkv.check.baseline import Baseline
from hfkv.check.budgets import check_budgets, read_budgets
from hfkv.check.claims import MARKDOWN, Claim, check_claims, find_claims, unmarked
from hfkv.check.codes import selected
from hfkv.check.configs import check_config
from hfkv.check.document import Document, Unreadable, read_text
from hfkv.check.finding import Finding, Waivers, said, waivers_of
from hfkv.check.models import Models
from hfkv.check.recognize import OURS, Part, parts_of, speaks_of_lora
from hfkv.check.settings import Settings
from hfkv.check.walk import files_of, fits
from hfkv.errors import HfkvError, NotFoundError, SourceError
from hfkv.reading import printable
from hfkv.source.lock import Lock, read_lock

__all__ = ["Passing", "Report", "Seen", "check", "documents", "open_lock", "parts"]

_Mend = tuple[Finding, Claim, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One file that was read, and what it was.

    Attributes:
        path: relative to the root.
        kind: whose format it is, ``config.json`` or ``claims``; "" where its LoRA keys are not
            recognised.
        base: the base model that it names, or "".
    """

    path: str
    kind: str
    base: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a run found.

    Attributes:
        findings: sorted by file and line; notes among them.
        files: how many files were looked at.
        seen: the files that hold something to check, and those whose LoRA keys are not recognised.
        rewritten: files that were mended.
        changes: file to its text before and after, where it would be mended.
        passed: findings that a baseline let pass.
    """

    findings: tuple[Finding, ...]
    files: int
    seen: tuple[Seen, ...] = ()
    rewritten: tuple[str, ...] = ()
    changes: tuple[tuple[str, str, str], ...] = ()
    passed: int = 0


@dataclass(slots=True)
class Passing:
    """What lets findings pass: the configuration, comments in files, and which of them are used."""

    settings: Settings
    waivers: dict[str, Waivers] = field(default_factory=dict)
    _pointers: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        if self.settings.path:
            self.waivers[self.settings.path] = waivers_of(self.settings.text)

    def add(self, document: Document) -> None:
        """Take in the comments of a file."""
        markdown = document.suffix in MARKDOWN
        self.waivers[document.path] = waivers_of(document.text, markdown=markdown)

    def stays(self, finding: Finding) -> bool:
        """Whether nothing lets a finding pass."""
        settings, code = self.settings, finding.code
        if not selected(code, settings.select) or selected(code, settings.ignore):
            return False
        for glob, codes in settings.per_file_ignores:
            pattern, mark, pointer = glob.partition("#")
            if mark and not _points(pointer, finding.pointer):
                continue
            if fits(finding.path, [pattern]) and selected(code, codes):
                self._pointers.add((glob, finding.path))
                return False
        waivers = self.waivers.get(finding.path)
        return waivers is None or not waivers.cover(finding)

    def idle(self, judged: set[str], lines: dict[str, Document]) -> Iterator[Finding]:
        """The comments in these files that let nothing pass."""
        for path in sorted(judged):
            for waiver in self.waivers.get(path, Waivers()).waivers:
                if waiver.used or (selected("HFKV008", waiver.codes) and "ALL" not in waiver.codes):
                    continue
                document = lines.get(path)
                yield Finding(
                    path=path,
                    line=waiver.line,
                    code="HFKV008",
                    message="this comment lets nothing pass"
                    + ("" if waiver.codes == ("ALL",) else f" of {', '.join(waiver.codes)}")
                    + ": take it out",
                    excerpt=document.line_text(waiver.line) if document is not None else "",
                )


def _points(pointer: str, found: str) -> bool:
    """Whether a pointer is to a value, or to one around it."""
    return found == pointer or found.startswith(f"{pointer.rstrip('/')}/")


def check(
    settings: Settings,
    files: Sequence[Path] = (),
    *,
    fix: bool = False,
    write: bool = True,
    online: bool = False,
    baseline: Baseline | None = None,
    watch: Callable[[int, str], None] | None = None,
) -> Report:
    """Check files, or the whole project where none are named, and every budget.

    Args:
        settings: what is configured.
        files: files or directories.
        fix: mend stale claims. A finding that was mended is still a finding.
        write: write what is mended; else only say what would change.
        online: fetch models that are not locked.
        baseline: findings that may pass.
        watch: is told how many files were seen, and which is next.

    Raises:
        InputError: a budget cannot be read, or a named file is not there.
    """
    budgets = read_budgets(settings)
    findings: list[Finding] = []
    lock, broken = open_lock(settings, findings)
    models = Models(
        settings.root,
        lock,
        broken=broken,
        online=online,
        tokens=settings.pretraining_tokens,
        transformers=settings.transformers,
    )
    adapters = Adapters(models)
    passing = Passing(settings)
    rewritten: list[str] = []
    changes: list[tuple[str, str, str]] = []
    seen: list[Seen] = []
    waiving: dict[str, Document] = {}
    count = 0
    for document in documents(settings, files, findings, watch):
        count += 1
        passing.add(document)
        if passing.waivers[document.path].waivers:
            waiving[document.path] = document
        mine, mends = _one(settings, document, models, adapters, seen)
        mends = [mend for mend in mends if passing.stays(mend[0])]
        if fix and mends:
            from hfkv.check.rewrite import mended, rewrite

            pairs = [(claim, right) for _, claim, right in mends]
            changes.append((document.path, document.text, mended(document.text, pairs)))
            try:
                if write:
                    rewrite(document, pairs, settings.root)
            except SourceError as error:
                findings.append(_unreadable(document.path, said(error)))
            else:
                if write:
                    rewritten.append(document.path)
                    fixed = {finding for finding, _, _ in mends}
                    mine = [replace(item, fixed=item in fixed) for item in mine]
        findings += mine
    findings += check_budgets(settings, budgets, models, adapters.checked)
    findings = _once(findings, unlocked=lock is None and not broken)
    kept = [item for item in dict.fromkeys(findings) if passing.stays(item)]
    if selected("HFKV008", settings.select) and "ALL" in settings.select:
        # Where something could not be judged, a comment may speak of just that.
        unjudged = {item.path for item in findings if item.note or item.code.startswith("HFKV00")}
        idle = passing.idle(set(waiving) - unjudged, waiving)
        kept += [item for item in idle if not selected("HFKV008", settings.ignore)]
    kept.sort(key=lambda item: (item.path, item.line, item.column, item.code, item.message))
    new = [item for item in kept if baseline is None or not baseline.takes(item)]
    return Report(
        findings=tuple(new),
        files=count,
        seen=tuple(seen),
        rewritten=tuple(rewritten),
        changes=tuple(changes),
        passed=len(kept) - len(new),
    )


def _once(findings: list[Finding], *, unlocked: bool) -> list[Finding]:
    """One finding for each model that is not locked, however many files name it; one for them all
    where nothing ever was locked."""
    found: list[Finding] = []
    first: dict[str, int] = {}
    others: dict[str, int] = {}
    for item in findings:
        if item.code == "HFKV002":
            if item.message in first:
                same = found[first[item.message]]
                if item.path != same.path:
                    others[item.message] = others.get(item.message, 0) + 1
                continue
            first[item.message] = len(found)
        found.append(item)
    usual = [number for message, number in first.items() if "did you mean" not in message]
    if unlocked and len(usual) > 1:
        place, *rest = usual
        text = f"{found[place].message}; {len(rest):,} more models are named, and there is no lock"
        found[place] = replace(found[place], message=text)
        return [item for number, item in enumerate(found) if number not in rest]
    for message, more in others.items():
        place = first[message]
        files = "file names" if more == 1 else "files name"
        text = f"{message}; {more:,} more {files} it"
        found[place] = replace(found[place], message=text)
    return found


def documents(
    settings: Settings,
    files: Sequence[Path],
    findings: list[Finding],
    watch: Callable[[int, str], None] | None = None,
) -> Iterator[Document]:
    """The files of a run that are text; what cannot be read becomes a finding."""
    for number, (file, path) in enumerate(files_of(settings, files)):
        if watch is not None:
            watch(number, path)
        try:
            read = read_text(file, where=path, ours=file.name in OURS)
        except Unreadable as reason:
            findings.append(_unreadable(path, str(reason)))
            continue
        except SourceError as error:
            findings.append(_unreadable(path, said(error)))
            continue
        if read is not None:
            yield Document(path=path, file=file, text=read[0], encoding=read[1])


def parts(settings: Settings, document: Document) -> Iterator[Part]:
    """What there is to check in a file, with the base model that the configuration sets for it.

    Raises:
        ConfigError: it is one that is checked, and cannot be read.
    """
    for part in parts_of(document):
        if part.asked is not None:
            for glob, model in settings.bases:
                if fits(document.path, [glob]):
                    asked = replace(part.asked, base=model, revision=None, foreign="")
                    part = replace(part, asked=asked)
                    break
        yield part


def open_lock(settings: Settings, findings: list[Finding]) -> tuple[Lock | None, bool]:
    """The lock, and whether it is there but cannot be read; damage becomes findings."""
    try:
        lock = read_lock(settings.lock_path, where=settings.lock)
    except NotFoundError:
        return None, False
    except HfkvError as error:
        findings.append(
            Finding(
                path=settings.lock, line=_line(error.where), code="HFKV004", message=said(error)
            )
        )
        return None, True
    findings += [
        Finding(
            path=settings.lock,
            line=fault.line,
            code="HFKV004",
            message=f"{printable(name)}: {said(fault.error)}",
        )
        for name, fault in lock.faults.items()
    ]
    return lock, False


def _one(
    settings: Settings,
    document: Document,
    models: Models,
    adapters: Adapters,
    seen: list[Seen],
) -> tuple[list[Finding], list[_Mend]]:
    findings: list[Finding] = []
    mends: list[_Mend] = []
    found = False
    path = document.path
    try:
        for part in parts(settings, document):
            found = True
            if part.kind == "adapter" and part.asked is None:
                continue
            if part.asked is not None:
                seen.append(Seen(path=path, kind=part.asked.kind, base=part.asked.base or ""))
                findings += adapters.check(document, part.asked)
            elif part.kind == "config":
                seen.append(Seen(path=path, kind="config.json"))
                findings += check_config(document)
            else:
                markdown = document.suffix in MARKDOWN
                if next(find_claims(document.text, markdown=markdown), None) is not None:
                    seen.append(Seen(path=path, kind="claims"))
                for finding, claim, right in check_claims(document, models):
                    findings.append(finding)
                    if right is not None:
                        mends.append((finding, claim, right))
                findings += unmarked(document)
    except HfkvError as error:
        findings.append(_unreadable(path, said(error), _line(error.where)))
        found = True
    if not found and speaks_of_lora(document):
        seen.append(Seen(path=path, kind=""))
    return findings, mends


def _unreadable(path: str, message: str, line: int = 1) -> Finding:
    return Finding(path=path, line=line, code="HFKV001", message=message)


def _line(where: str) -> int:
    found = re.search(r"\bline ([0-9]{1,9})\b", where)
    return int(found[1]) if found else 1
