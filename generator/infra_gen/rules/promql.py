"""The metric names in a PromQL expression, found without evaluating it."""

from __future__ import annotations

import re

_NAME_MATCHER = re.compile(r"__name__\s*=\s*[\"'`]([^\"'`]+)")
_STRING = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|`[^`]*`")
_COMMENT = re.compile(r"#[^\n]*")
_BRACES = re.compile(r"\{[^{}]*\}")
_RANGE = re.compile(r"\[[^\]]*\]")
_GROUPING = re.compile(
    r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^()]*\)", re.IGNORECASE
)
_NAME = re.compile(r"(?<![\w:.$])([A-Za-z_:][\w:]*)(\s*\()?")
# Operators, modifiers and aggregations that may stand without a parenthesis behind them.
_WORDS = frozenset(
    {"and", "or", "unless", "by", "without", "on", "ignoring", "group_left", "group_right", "bool"}
    | {"offset", "atan2", "inf", "nan", "sum", "min", "max", "avg", "count", "stddev", "stdvar"}
    | {"topk", "bottomk", "quantile", "count_values", "group", "limitk", "limit_ratio"}
)


def metric_names(expression: str) -> tuple[str, ...]:
    """Every metric that `expression` reads, in the order of the text, each once."""
    named = _NAME_MATCHER.findall(expression)
    text = _COMMENT.sub(" ", _STRING.sub('""', expression))
    text = _RANGE.sub(" ", _BRACES.sub(" ", text))
    text = _GROUPING.sub(" ", text)
    found = [
        match[1]
        for match in _NAME.finditer(text)
        if not match[2] and match[1].lower() not in _WORDS
    ]
    return tuple(dict.fromkeys([*found, *named]))
