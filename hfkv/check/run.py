"""One run: find the files, check each, and let pass what is ignored."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hfkv.check.adapters import Adapters
from hfkv.check.budgets import check_budgets, read_budgets
from hfkv.check.claims import MARKDOWN, Claim, check_claims
from hfkv.check.codes import selected
from hfkv.check.configs import check_config
from hfkv.check.document import Document, Unreadable, read_text
from hfkv.check.finding import Finding, Waivers, said, waivers_of
from hfkv.check.models import Models
from hfkv.check.recognize import OURS, Part, parts_of
from hfkv.check.settings import Settings
from hfkv.check.walk import files_of, fits
from hfkv.errors import HfkvError, NotFoundError, SourceError
from hfkv.reading import printable
from hfkv.source.lock import Lock, read_lock

__all__ = ["Report", "check", "documents", "open_lock", "parts"]

_Mend = tuple[Finding, Claim, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a run found.

    Attributes:
        findings: sorted by file and line.
        files: how many files were looked at.
        rewritten: files that were mended.
    """

    findings: tuple[Finding, ...]
    files: int
    rewritten: tuple[str, ...] = ()


def check(
    settings: Settings, files: Sequence[Path] = (), *, fix: bool = False, online: bool = False
) -> Report:
    """Check files, or the whole project where none are named, and every budget.

    Args:
        settings: what is configured.
        files: files or directories.
        fix: rewrite stale claims. A finding that was mended is still a finding.
        online: fetch models that are not locked.

    Raises:
        InputError: a budget cannot be read, or a named file is not there.
    """
    budgets = read_budgets(settings)
    findings: list[Finding] = []
    lock, broken = open_lock(settings, findings)
    models = Models(settings.root, lock, broken=broken, online=online)
    adapters = Adapters(models)
    waivers = {settings.path: waivers_of(settings.text)} if settings.path else {}
    rewritten: list[str] = []
    seen = 0

    def stays(finding: Finding) -> bool:
        return _stays(settings, waivers.get(finding.path), finding)

    for document in documents(settings, files, findings):
        seen += 1
        waivers[document.path] = waivers_of(document.text, markdown=document.suffix in MARKDOWN)
        mine, mends = _one(settings, document, models, adapters)
        mends = [mend for mend in mends if stays(mend[0])]
        if fix and mends:
            from hfkv.check.rewrite import rewrite

            try:
                rewrite(document, [(claim, right) for _, claim, right in mends], settings.root)
            except SourceError as error:
                findings.append(_unreadable(document.path, said(error)))
            else:
                rewritten.append(document.path)
                fixed = {finding for finding, _, _ in mends}
                mine = [replace(item, fixed=item in fixed) for item in mine]
        findings += mine
    findings += check_budgets(settings, budgets, models, adapters.checked)
    kept = {item for item in findings if stays(item)}
    return Report(
        findings=tuple(
            sorted(kept, key=lambda item: (item.path, item.line, item.code, item.message))
        ),
        files=seen,
        rewritten=tuple(rewritten),
    )


def documents(
    settings: Settings, files: Sequence[Path], findings: list[Finding]
) -> Iterator[Document]:
    """The files of a run that are text; what cannot be read becomes a finding."""
    for file, path in files_of(settings, files):
        try:
            text = read_text(file, where=path, ours=file.name in OURS)
        except Unreadable as reason:
            findings.append(_unreadable(path, str(reason)))
            continue
        except SourceError as error:
            findings.append(_unreadable(path, said(error)))
            continue
        if text is not None:
            yield Document(path=path, file=file, text=text)


def parts(settings: Settings, document: Document) -> Iterator[Part]:
    """What there is to check in a file, with the base model that the configuration sets for it.

    Raises:
        ConfigError: it is one that is checked, and cannot be read.
    """
    for part in parts_of(document):
        if part.asked is not None:
            for glob, model in settings.bases:
                if fits(document.path, [glob]):
                    part = replace(part, asked=replace(part.asked, base=model, revision=None))
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
    settings: Settings, document: Document, models: Models, adapters: Adapters
) -> tuple[list[Finding], list[_Mend]]:
    findings: list[Finding] = []
    mends: list[_Mend] = []
    try:
        for part in parts(settings, document):
            if part.asked is not None:
                findings += adapters.check(document, part.asked)
            elif part.kind == "config":
                findings += check_config(document)
            else:
                for finding, claim, right in check_claims(document, models):
                    findings.append(finding)
                    if right is not None:
                        mends.append((finding, claim, right))
    except HfkvError as error:
        findings.append(_unreadable(document.path, said(error), _line(error.where)))
    return findings, mends


def _unreadable(path: str, message: str, line: int = 1) -> Finding:
    return Finding(path=path, line=line, code="HFKV001", message=message)


def _line(where: str) -> int:
    found = re.search(r"\bline ([0-9]{1,9})\b", where)
    return int(found[1]) if found else 1


def _stays(settings: Settings, waivers: Waivers | None, finding: Finding) -> bool:
    code = finding.code
    if not selected(code, settings.select) or selected(code, settings.ignore):
        return False
    for glob, codes in settings.per_file_ignores:
        if fits(finding.path, [glob]) and selected(code, codes):
            return False
    return waivers is None or not waivers.cover(finding)
