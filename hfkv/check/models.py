"""The models that checks name: from the lock, from directories of the project, or online."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from hfkv.check.document import is_pointer
from hfkv.check.finding import said
from hfkv.errors import ConfigError, HfkvError, NotFoundError, RecordError, SourceError
from hfkv.facts import read
from hfkv.model import Model, load
from hfkv.reading import describe, printable
from hfkv.source.directory import read_directory, read_path
from hfkv.source.files import Files
from hfkv.source.lock import Lock, lock_key
from hfkv.source.near_names import near_name

__all__ = ["Models", "Unavailable", "local_path", "read_folder", "renamed"]


class Unavailable(Exception):  # noqa: N818 - not an error of the package: it never leaves it
    """A model that a check needs and that is not to be had.

    Args:
        code: the finding's code; "" where the reason has a finding of its own already.
        message: the finding's words.
        absent: it is a path, and nothing is there: it may be one of another machine.
    """

    def __init__(self, code: str, message: str, *, absent: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.absent = absent


#: Folders into which runs are written, and models are put: no names of organizations on the Hub.
_FOLDERS = frozenset(
    """ckpt ckpts checkpoint checkpoints data dataset datasets exp exps experiment experiments
    finetuned log logs lora loras merged merged_models model models output outputs out pretrained
    pretrained_model pretrained_models results result run runs save saved saved_models saves tmp
    temp weights work_dirs workspace adapter adapters lora-out llm llms base_model base_models
    local path path-to path_to your""".split()
)
_RUN = re.compile(r"(?:^|[/_-])(?:checkpoint-[0-9]+|epoch[_-]?[0-9]+|step[_-]?[0-9]+)$")
_DRIVE = re.compile(r"^[A-Za-z]:[\\/]")
#: The models of the Hub's first years, which belong to no organization.
_CANONICAL = re.compile(
    r"(?:albert|bart|bert|camembert|ctrl|distil\w+|gpt2|longformer|openai-gpt|roberta|t5|transfo-xl"
    r"|xlm|xlnet)(?:[-@].*)?$",
    re.IGNORECASE,
)
#: What a name on the Hub is made of.
_HUB_ID = re.compile(r"^[\w.-]+(?:/[\w.-]+)?$", re.ASCII)


def local_path(name: str, root: Path, near: Path | None = None) -> Path | None:
    """The directory or file that a model's name means; None where it is a Hub id.

    As transformers takes names: a directory of that name comes before the Hub. Relative ones are
    looked for from the project's root, and from the file that names them.
    """
    if name.startswith(("/", "~")):
        return Path(os.path.expanduser(name))
    folders = [root] if near is None else [root, near]
    for folder in folders:
        try:
            if (folder / name).exists():
                return folder / name
        except (OSError, ValueError):  # too long for a path, or with characters that none has
            return None
    if name.startswith(("./", "../", ".\\")) or name.endswith(".json") or _DRIVE.match(name):
        return root / name
    if "/" not in name and not _CANONICAL.match(name):
        return root / name  # the Hub has no others without an organization
    first = name.partition("/")[0].lower()
    if not _HUB_ID.match(name) or _RUN.search(name) or ("/" in name and first in _FOLDERS):
        return root / name
    return None


def read_folder(folder: Path, *, model: str) -> Files:
    """A model's files in a directory. Where its weights are pointers of Git LFS, and so not here,
    its config alone.

    Raises:
        HfkvError: as :func:`hfkv.source.directory.read_directory`.
    """
    if not any(is_pointer(file) for file in folder.glob("*.safetensors")):
        return read_directory(folder, model=model, source="directory")
    config = folder / "config.json"
    if not config.is_file() or is_pointer(config):
        raise NotFoundError("its files are pointers of Git LFS", where=printable(model))
    return replace(
        read_path(str(config)),
        model=model,
        missing={"tensors": "the weights are pointers of Git LFS"},
    )


class Models:
    """Loads each model once.

    Args:
        root: the project's directory.
        lock: the lock; None where there is none.
        broken: the lock is there and cannot be read, which is a finding of its own.
        online: fetch what is not locked.
        tokens: counts of pretraining tokens of your own, by names in lower case.
        transformers: of which line of releases figures are; "" for the newest.
    """

    def __init__(
        self,
        root: Path,
        lock: Lock | None,
        *,
        broken: bool = False,
        online: bool = False,
        tokens: Mapping[str, int] | None = None,
        transformers: str = "",
    ) -> None:
        self._root = root
        self._lock = lock
        self._broken = broken
        self._online = online
        self._tokens = tokens or {}
        self._transformers = transformers or None
        self._known: dict[tuple[str, Path | None], Model | Unavailable] = {}

    def get(self, name: str, revision: str | None = None, *, near: Path | None = None) -> Model:
        """A model by Hub id or path.

        Raises:
            Unavailable: it is not to be had, with the finding's code and words.
        """
        path = local_path(name, self._root, near)
        key = (lock_key(name, revision).lower() if path is None else "", path)
        if key not in self._known:
            try:
                found = self._load(name, revision, path).with_transformers(self._transformers)
                given = self._tokens.get(name.lower())
                if given is not None:
                    found = found.with_pretraining(given)
                self._known[key] = found
            except Unavailable as reason:
                self._known[key] = reason
            except SourceError as error:
                self._known[key] = Unavailable("HFKV003", f"{printable(name)}: {said(error)}")
            except HfkvError as error:
                self._known[key] = Unavailable("HFKV003", printable(str(error), 1000))
        known = self._known[key]
        if isinstance(known, Unavailable):
            raise known
        return known

    def _load(self, name: str, revision: str | None, path: Path | None) -> Model:
        if path is not None:
            try:
                there = path.exists()
            except (OSError, ValueError):
                there = False
            if not there:
                raise Unavailable("HFKV003", f"there is no {printable(name)} here", absent=True)
            if path.is_dir():
                return self._complete(read_folder(path, model=name))
            return self._complete(replace(read_path(str(path)), model=name))
        if self._broken:
            raise Unavailable("", "the lock cannot be read")
        try:
            if self._lock is None:
                raise NotFoundError("there is no lock")
            return self._complete(self._lock.files(name, revision))
        except RecordError:
            raise Unavailable("", "its record in the lock is damaged") from None
        except NotFoundError:
            if self._online:
                return load(name, revision=revision)
            raise Unavailable("HFKV002", self._not_locked(name, revision)) from None

    def _not_locked(self, name: str, revision: str | None) -> str:
        from hfkv.source.snapshot import snapshot_names

        key = lock_key(name, revision)
        known = {*snapshot_names(), *(self._lock.keys if self._lock is not None else ())}
        near = near_name(name, known)
        return f"{printable(key)} is not locked: run `hfkv lock` (or check with --online)" + (
            f"; did you mean {printable(near)}?" if near else ""
        )

    def _complete(self, files: Files) -> Model:
        """An adapter's figures are its base's: look that up as well."""
        facts = read(files)
        adapter = facts.extra.get("adapter_config.json")
        if facts.config is not None or adapter is None:
            return Model(facts)
        name = adapter.get("base_model_name_or_path")
        if not isinstance(name, str) or not name:
            raise ConfigError(
                f"found {describe(name)}",
                where=f"{facts.model}: adapter_config.json: base_model_name_or_path",
            )
        revision = adapter.get("revision")
        base = self.get(name, revision if isinstance(revision, str) else None)
        return Model(replace(facts, base=base.facts))


_RENAMED = "the repository was renamed: it is "


def renamed(model: Model) -> str:
    """The name that a model's repository has now, where it is another than the one asked for."""
    for note in model.core.notes:
        if note.startswith(_RENAMED):
            return note.removeprefix(_RENAMED).removesuffix(" now")
    return ""
