"""Bare models of remote code: what their classes build, module by module, as their sources say.

Written out by hand and not from the rules under test. One list makes both the header of the
checkpoint and, with torch, a model of the same names and classes for PEFT itself.
"""

from __future__ import annotations

from tests.modules.skeletons import gpts, llamas, mixtures
from tests.modules.skeletons.bare_model import Case

__all__ = ["CASES", "Case"]

CASES: tuple[Case, ...] = (*llamas.CASES, *mixtures.CASES, *gpts.CASES)
