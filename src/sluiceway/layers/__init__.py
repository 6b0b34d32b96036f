"""What stands round a sink's ``write``: time-outs and retries, each in a file.

Law: wrap, do not widen. A layer is an async function of a list of events round another
one; the engine puts the layers that a sink's settings ask for round it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

Write = Callable[[list[Any]], Awaitable[Any]]
