"""The numbers of the two charts, as values that a renderer, a browser or a spreadsheet draws from.

Every number is exact here, an integer or a fraction; ``to_json`` writes a fraction that is not
whole as the nearest float, beside the integers that it is the ratio of.
"""

from hfkv.comparison.series.axis import Axis
from hfkv.comparison.series.over_rank import (
    Band,
    ModelOverRank,
    OverRank,
    RankMark,
    RankPoint,
    Rule,
    over_rank,
)
from hfkv.comparison.series.over_tokens import (
    LAST_TOKENS,
    Level,
    Line,
    ModelOverTokens,
    OverTokens,
    TokensPoint,
    over_tokens,
)

__all__ = [
    "LAST_TOKENS",
    "Axis",
    "Band",
    "Level",
    "Line",
    "ModelOverRank",
    "ModelOverTokens",
    "OverRank",
    "OverTokens",
    "RankMark",
    "RankPoint",
    "Rule",
    "TokensPoint",
    "over_rank",
    "over_tokens",
]
