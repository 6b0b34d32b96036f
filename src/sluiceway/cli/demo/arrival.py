"""What an end of the pipeline is, and what it says of that which arrived there."""

from __future__ import annotations

from abc import ABC, abstractmethod

from attrs import frozen

from ...chains import Composable
from ...ledger import Ledger, StageLedger


@frozen
class Arrival:
    """What arrived at one end.

    Attributes:
        words: it, for people.
        complaint: what is wrong with it; empty if all that was delivered is there.
    """

    words: str
    complaint: str = ""


class End(ABC):
    """Where events leave the pipeline.

    Attributes:
        title: what is there, for people.
        where: its address, without secrets.
        sink: what stands at the end of a chain.
    """

    title: str
    where: str
    sink: Composable

    @abstractmethod
    def arrival(self, ledger: Ledger, answered: int) -> Arrival:
        """What arrived, seen against the books and the requests that were answered."""


def counted(count: int, noun: str) -> str:
    """``1 alert``, ``2 alerts``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def mismatch(arrived: int, books: StageLedger, what: str) -> str:
    """What is wrong if a sink's books do not tell what arrived; else nothing.

    What a sink has given up may have arrived all the same.
    """
    if books.delivered <= arrived <= books.delivered + books.lost:
        return ""
    return f"{books.delivered:,} {what} were delivered"
