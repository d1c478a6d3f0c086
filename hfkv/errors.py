"""Every error that hfkv raises on purpose.

Each one says what happened, where, what was expected and what to do, and is also the builtin
exception that a caller would catch without knowing hfkv::

    HfkvError (Exception)
    |-- InputError (ValueError)            a value given by the caller is not usable
    |   |-- InputTypeError (TypeError)     it is of a type that is not taken there
    |   `-- TargetError                    a LoRA target matches nothing, or PEFT refuses it
    |-- ConfigError (ValueError)           a config.json (or side file) is not usable
    |-- HeaderError (ValueError)           a safetensors or GGUF header is malformed
    |-- RecordError (ValueError)           a snapshot, store entry or lock is damaged
    |-- CrosscheckError (ValueError)       the checkpoint's own shapes disagree with the plan
    |-- UnsupportedError (NotImplementedError)   nothing can answer this honestly: refused
    |-- SourceError (OSError)              the files of a model could not be had
    |   |-- NotFoundError (FileNotFoundError)    no such repository, revision, file or directory
    |   |-- GatedError (PermissionError)         the repository asks for a login or for acceptance
    |   `-- NetworkError (ConnectionError)       the Hub could not be reached, or answered nonsense
    `-- MissingDependencyError (ImportError)     an extra has to be installed for this

A message names an argument as Python does, between backticks: `` `dtype` ``, or with a value
`` `crosscheck=False` ``. Who passes an argument on under another name says so (:func:`spelling`),
and so does the command, whose arguments are flags: one mechanism, and no message knows who asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = [
    "ConfigError",
    "CrosscheckError",
    "GatedError",
    "HeaderError",
    "HfkvError",
    "InputError",
    "InputTypeError",
    "MissingDependencyError",
    "NetworkError",
    "NotFoundError",
    "RecordError",
    "SourceError",
    "TargetError",
    "UnsupportedError",
    "spelling",
]


class HfkvError(Exception):
    """The base of every error hfkv raises on purpose.

    Args:
        what: one sentence that says what happened, naming the value.
        where: the model, file and key path it happened in, or "".
        expected: what would have been right, or "".
        hint: what the user can do about it, or "".

    The four parts stay readable as attributes; ``str(error)`` joins them.

    >>> print(HfkvError("no such key", where="config.json: num_hidden_layers", hint="add it"))
    config.json: num_hidden_layers: no such key (add it)
    """

    def __init__(self, what: str, *, where: str = "", expected: str = "", hint: str = "") -> None:
        self.what = what
        self.where = where
        self.expected = expected
        self.hint = hint
        text = f"{where}: {what}" if where else what
        if expected:
            text += f"; expected {expected}"
        if hint:
            text += f" ({hint})"
        super().__init__(text)

    def __str__(self) -> str:
        # OSError and ImportError would format their own arguments; the joined text is the message.
        return str(self.args[0])

    def spelled(self, spell: Callable[[str], str]) -> HfkvError:
        """The same error with ``spell`` done to each of its parts; itself where that changes
        nothing."""
        parts = (self.what, self.where, self.expected, self.hint)
        told = tuple(map(spell, parts))
        return self if told == parts else _rebuild(type(self), *told)

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross process boundaries (pytest-xdist, multiprocessing): rebuild from the parts.
        return (_rebuild, (type(self), self.what, self.where, self.expected, self.hint))


def _rebuild(kind: type[HfkvError], what: str, where: str, expected: str, hint: str) -> HfkvError:
    return kind(what, where=where, expected=expected, hint=hint)


@contextmanager
def spelling(**names: str) -> Iterator[None]:
    """Errors raised meanwhile name the arguments as the caller of the caller knows them.

    >>> with spelling(dtype="kv_dtype"):
    ...     raise InputError("unknown dtype 'bf17'", where="`dtype`")
    Traceback (most recent call last):
        ...
    hfkv.errors.InputError: `kv_dtype`: unknown dtype 'bf17'
    """

    def renamed(text: str) -> str:
        for name, other in names.items():
            text = text.replace(f"`{name}`", f"`{other}`").replace(f"`{name}=", f"`{other}=")
        return text

    try:
        yield
    except HfkvError as error:
        told = error.spelled(renamed)
        if told is error:
            raise
        raise told from error.__cause__


class InputError(HfkvError, ValueError):
    """A value given by the caller is not usable."""


class InputTypeError(InputError, TypeError):
    """A value given by the caller is of a type that is not taken there."""


class TargetError(InputError):
    """A LoRA target matches nothing in the model, or PEFT itself refuses the combination."""


class ConfigError(HfkvError, ValueError):
    """A ``config.json`` (or a file beside it) is malformed or contradicts itself."""


class HeaderError(HfkvError, ValueError):
    """A safetensors or GGUF header is malformed."""


class RecordError(HfkvError, ValueError):
    """A snapshot, a store entry or a lock is damaged, edited by hand, or of another format."""


class CrosscheckError(HfkvError, ValueError):
    """The checkpoint's own shapes disagree with what the config says."""


class UnsupportedError(HfkvError, NotImplementedError):
    """Nothing here can answer honestly, so the question is refused."""


class SourceError(HfkvError, OSError):
    """The files of a model could not be had."""


class NotFoundError(SourceError, FileNotFoundError):
    """No such repository, revision, file or directory."""


class GatedError(SourceError, PermissionError):
    """The repository asks for a login or for its conditions to be accepted."""


class NetworkError(SourceError, ConnectionError):
    """The Hub could not be reached, or what answered was not the Hub."""


class MissingDependencyError(HfkvError, ImportError):
    """An optional dependency is needed for this and is not installed."""
