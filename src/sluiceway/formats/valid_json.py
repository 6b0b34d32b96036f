"""JSON of what may hold texts that UTF-8 cannot say.

Law: pure; a lone surrogate becomes ``?`` and keeps nothing else from being written.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec


def encoded(value: Any) -> bytes:
    """A value as JSON; what UTF-8 cannot say becomes ``?``."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        text = json.dumps(msgspec.to_builtins(value), ensure_ascii=False)
        return text.encode("utf-8", "replace")
