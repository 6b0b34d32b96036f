"""BoundedRule: a rule that holds a number against a limit.

Law: as for every rule; what the number is, its kinds say.
"""

from __future__ import annotations

import math

from attrs import define, field

from ..errors import ConfigurationError
from ..settings import number
from .rule import Rule

limit = number(-math.inf, optional=True)


@define(eq=False, slots=False, repr=False)
class BoundedRule(Rule):
    """A rule that holds a number against a limit.

    Args:
        above: it holds for numbers above this.
        below: it holds for numbers below this; one of the two must be given.
        clear: once it fires, it goes on until the number is back at this, so that it
            does not flap round the limit; default the limit itself.
        window: seconds that an event counts for; default 300.

    Raises:
        ConfigurationError: both or none of ``above`` and ``below``, or ``clear`` on the
            wrong side.
    """

    above: float | None = field(default=None, kw_only=True, validator=limit)
    below: float | None = field(default=None, kw_only=True, validator=limit)
    clear: float | None = field(default=None, kw_only=True, validator=limit)
    window: float = field(default=300.0, kw_only=True, validator=number(0.001))

    def __attrs_post_init__(self) -> None:
        kind = type(self).__name__
        if (self.above is None) == (self.below is None):
            raise ConfigurationError(f"{kind} needs one of above and below")
        clear = self.threshold if self.clear is None else self.clear
        wrong = clear > self.threshold if self.below is None else clear < self.threshold
        if wrong:
            side = "at most above" if self.below is None else "at least below"
            raise ConfigurationError(
                f"{kind}.clear is {clear!r}; expected {side}, {self.threshold!r}"
            )
        self._clear = clear
        super().__attrs_post_init__()

    @property
    def threshold(self) -> float:
        """``above`` or ``below``."""
        given = self.above if self.below is None else self.below
        assert given is not None
        return given

    @property
    def patience(self) -> float:
        """The window: so long it takes to know as much as before."""
        return self.window

    def holds(self, value: float | None, *, firing: bool) -> bool:
        """Whether the number is beyond the limit, or not yet back if it fires."""
        if value is None:
            return False
        against = self._clear if firing else self.threshold
        return value > against if self.below is None else value < against
