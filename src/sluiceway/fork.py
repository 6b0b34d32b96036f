"""What must happen in a forked child, for everything that asks for it.

Law: the one place with state of the whole process, because forks are of the process.
The child inherits copies that belong to the parent: it starts afresh and must never
close the inherited event loop, which would unregister the parent's wake-ups through
the epoll that both share.
"""

from __future__ import annotations

import os
import weakref
from typing import Any, Protocol


class Forkable(Protocol):
    """Something that starts afresh in a forked child."""

    def after_fork(self) -> None:
        """Called in the child, before any of its code runs."""


FOLLOWERS: weakref.WeakKeyDictionary[Any, None] = weakref.WeakKeyDictionary()
KEPT: list[object] = []


def follow_forks(follower: Forkable) -> None:
    """Call ``follower.after_fork()`` in every child forked while it is alive.

    Followers are called in the order in which they asked: a pipeline makes its inlets
    anew before its background form sets them to start it.
    """
    FOLLOWERS[follower] = None


def keep_for_ever(inherited: object) -> None:
    """Keep what the child inherited from being collected, and so from being closed."""
    KEPT.append(inherited)


def after_fork_in_child() -> None:
    """Tell everybody."""
    for follower in list(FOLLOWERS):
        follower.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=after_fork_in_child)
