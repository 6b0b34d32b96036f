"""What a function says of itself before it is called."""

from __future__ import annotations

from inspect import iscoroutinefunction


def is_async(function: object) -> bool:
    """Whether calling ``function`` gives an awaitable, by its declaration.

    Of an object with a ``__call__``, that is what decides.
    """
    call = getattr(function, "__call__", None)  # noqa: B004 - its kind, not its presence
    return iscoroutinefunction(function) or iscoroutinefunction(call)


def is_plain(function: object) -> bool:
    """Whether it can be called, and answers at once."""
    return callable(function) and not is_async(function)
