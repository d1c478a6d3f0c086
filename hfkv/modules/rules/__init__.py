"""The rules of architectures whose code stands in their repositories, by ``model_type``.

No code from a repository is ever run. Each rule was read off the modeling code that its source
names, or a public copy of it: which modules are ``nn.Linear`` (or of a class derived from it) and
which hold a plain parameter, and what ``get_output_embeddings()`` returns. A class that does not
override it has transformers' own answer, ``lm_head`` where there is one. Types whose code was not
read have no rule, and stay ``inferred``.
"""

from __future__ import annotations

from hfkv.modules.rules import gpts, llamas, mixtures
from hfkv.modules.rules.rule import Rule

__all__ = ["RULES"]

RULES: dict[str, tuple[Rule, ...]] = {**llamas.RULES, **mixtures.RULES, **gpts.RULES}
