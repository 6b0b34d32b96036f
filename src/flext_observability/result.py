"""The result of an operation: a value, or an error that says what went wrong.

Law: a result never changes, and is a ``FlextSuccess`` or a ``FlextFailure`` and
nothing else. A function given to a step of a chain may raise: the chain goes on as a
failure that names the exception. ``BaseException`` beyond ``Exception`` passes.
"""

# The two kinds narrow what the base declares; nothing of them can be set.
# pyright: reportIncompatibleMethodOverride=false
# pyright: reportIncompatibleVariableOverride=false

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import GenericAlias
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Generic,
    Literal,
    Never,
    NoReturn,
    TypeVar,
    cast,
    final,
)

import msgspec

from .exceptions import FlextNoValueError, FlextUnwrapError

T_co = TypeVar("T_co", covariant=True)
U = TypeVar("U")

RAISED = "exception"  # the error_code of a failure that began as an exception
NOT_A_RESULT = "not_a_result"
UNTOLD = "unspecified error"


class FlextResult(Generic[T_co]):
    """What an operation gives back: ``FlextResult.ok(value)`` or ``.fail(error)``.

    Frozen, hashable where what it holds is, equal by content, and safe with values
    such as 0, "" and None. ``FlextResult[int].ok(3)`` gives the result its type. There
    are three ways to tell the two kinds apart::

        if result.is_failure:            # for a quick look
            return
        if isinstance(result, FlextFailure):
            return result                # fits whatever result the caller returns
        match result.outcome:            # type checkers see that nothing is left out
            case FlextSuccess(value): ...
            case FlextFailure(error, code): ...

    Match on ``outcome`` rather than on the result: mypy takes the value of
    ``case FlextSuccess(value)`` for Any where it does not know of the two kinds.

    ``bool(result)`` is ``is_success``, never the truth of the value. A result cannot be
    iterated or unpacked: the text in one would come out in letters.
    """

    __slots__ = ()

    is_success: ClassVar[bool]
    is_failure: ClassVar[bool]

    if TYPE_CHECKING:

        @property
        def error(self) -> str | None:
            """What went wrong, never empty; None for a success."""
            ...

        @property
        def error_code(self) -> str | None:
            """A word for the kind of trouble, such as "validation"; None if untold."""
            ...

        @property
        def error_data(self) -> Mapping[str, object] | None:
            """What else was told of the failure; None if nothing."""
            ...

        @property
        def value(self) -> T_co:
            """The value.

            Raises:
                FlextNoValueError: it is a failure. That is an AttributeError too; where
                such errors are caught for other reasons, ``unwrap`` speaks up.
            """
            ...

    else:
        __class_getitem__ = classmethod(GenericAlias)

    @classmethod
    def ok(cls: type[FlextResult[U]], value: U) -> FlextResult[U]:
        """A success that holds ``value``, which may be anything, None too."""
        return FlextSuccess(value)

    @classmethod
    def fail(
        cls,
        error: str | None,
        error_code: str | None = None,
        error_data: Mapping[str, object] | None = None,
    ) -> FlextResult[T_co]:
        """A failure, whatever it is given: what tells of trouble makes none.

        Args:
            error: what went wrong, for a person. None and "" become a fixed text, so
                that the ``error`` of another result can be handed on as it is typed;
                an exception without a message is told by its class.
            error_code: a word of low cardinality for a program, None by default.
            error_data: what else is known; copied. None by default; what is no mapping
                is kept as ``{"error_data": ...}``.
        """
        return FlextFailure(told(error) or UNTOLD, error_code, data_of(error_data))

    @property
    def outcome(self) -> FlextSuccess[T_co] | FlextFailure:
        """This result, typed as the two kinds that there are."""
        return cast("FlextSuccess[T_co] | FlextFailure", self)

    @property
    def data(self) -> T_co:
        """The value, by its other name; read from a failure it raises likewise."""
        return self.value

    def unwrap(self) -> T_co:
        """The value.

        Raises:
            FlextUnwrapError: it is a failure; the message tells which.
        """
        if isinstance(self, FlextFailure):
            raise FlextUnwrapError(self.error, self.error_code, self.error_data)
        return self.value

    def unwrap_or(self, default: U) -> T_co | U:
        """The value, or ``default`` for a failure."""
        return default if isinstance(self, FlextFailure) else self.value

    def unwrap_or_else(self, function: Callable[[str], U]) -> T_co | U:
        """The value, or what ``function(error)`` returns; what it raises passes."""
        return function(self.error) if isinstance(self, FlextFailure) else self.value

    def map(self, function: Callable[[T_co], U]) -> FlextResult[U]:
        """A success with ``function(value)`` for its value; a failure stays itself."""
        if isinstance(self, FlextFailure):
            return self
        try:
            return FlextSuccess(function(self.value))
        except Exception as error:  # noqa: BLE001 - the railway's own switch
            return raised(error)

    def flat_map(self, function: Callable[[T_co], FlextResult[U]]) -> FlextResult[U]:
        """The result that ``function(value)`` returns; a failure stays itself.

        A function that returns anything but a result makes a failure that says so; a
        result of the real ``flext_core`` will do.
        """
        if isinstance(self, FlextFailure):
            return self
        try:
            return checked(function(self.value))
        except Exception as error:  # noqa: BLE001 - the railway's own switch
            return raised(error)

    def tap(self, function: Callable[[T_co], object]) -> FlextResult[T_co]:
        """This result, after ``function(value)`` was called for its effect.

        A failure calls nothing. A function that raises makes a failure.
        """
        return self.map(function).flat_map(lambda _: self)

    def tap_error(self, function: Callable[[str], object]) -> FlextResult[T_co]:
        """This result, after ``function(error)`` was called for its effect.

        A success calls nothing. If the function raises, the failure tells both.
        """
        if not isinstance(self, FlextFailure):
            return self
        try:
            function(self.error)
        except Exception as error:  # noqa: BLE001 - the railway's own switch
            return self.joined_by(error)
        return self

    def map_error(self, function: Callable[[str], str]) -> FlextResult[T_co]:
        """A failure with ``function(error)`` for its error; code and data stay.

        A success stays itself. If the function raises, the failure tells both.
        """
        if not isinstance(self, FlextFailure):
            return self
        try:
            text = str(function(self.error) or UNTOLD)
        except Exception as error:  # noqa: BLE001 - the railway's own switch
            return self.joined_by(error)
        return FlextFailure(text, self.error_code, self.error_data)

    def recover(self, function: Callable[[str], U]) -> FlextResult[T_co | U]:
        """A success with ``function(error)`` for its value; a success stays itself.

        If the function raises, the failure tells both.
        """
        if not isinstance(self, FlextFailure):
            return self
        try:
            return FlextSuccess(function(self.error))
        except Exception as error:  # noqa: BLE001 - the railway's own switch
            return self.joined_by(error)

    def or_else(
        self, function: Callable[[str], FlextResult[U]]
    ) -> FlextResult[T_co | U]:
        """The result that ``function(error)`` returns; a success stays itself.

        If the function raises, the failure tells both.
        """
        if not isinstance(self, FlextFailure):
            return self
        try:
            return checked(function(self.error))
        except Exception as error:  # noqa: BLE001 - the railway's own switch
            return self.joined_by(error)


# By hand, as a Struct shares its metaclass with no ABC: nothing is of neither kind.
setattr(FlextResult, "__abstractmethods__", frozenset(["value"]))  # noqa: B010


@final
class FlextSuccess(msgspec.Struct, FlextResult[T_co], frozen=True):
    """A result that holds a value; ``FlextResult.ok`` makes one."""

    value: T_co

    is_success: ClassVar[Literal[True]] = True
    is_failure: ClassVar[Literal[False]] = False
    error: ClassVar[None] = None
    error_code: ClassVar[None] = None
    error_data: ClassVar[None] = None

    def __bool__(self) -> Literal[True]:
        return True

    def __repr__(self) -> str:
        return f"FlextResult.ok({self.value!r})"


@final
class FlextFailure(msgspec.Struct, FlextResult[Never], frozen=True):
    """A result that holds an error; ``FlextResult.fail`` makes one.

    It is a ``FlextResult`` of whatever is asked for, and so can be returned as it is.
    """

    error: str
    error_code: str | None = None
    error_data: Mapping[str, object] | None = None

    is_success: ClassVar[Literal[False]] = False
    is_failure: ClassVar[Literal[True]] = True

    @property
    def value(self) -> NoReturn:
        """There is none.

        Raises:
            FlextNoValueError: always.
        """
        raise FlextNoValueError(self.error, self.error_code, self.error_data)

    def joined_by(self, error: Exception) -> FlextFailure:
        """This failure, with the exception of a function that was to treat it."""
        text = f"{self.error} (and then {described(error)})"
        return FlextFailure(text, self.error_code, self.error_data)

    def __bool__(self) -> Literal[False]:
        return False

    def __hash__(self) -> int:
        return hash((self.error, self.error_code))

    def __repr__(self) -> str:
        code = "" if self.error_code is None else f", error_code={self.error_code!r}"
        data = "" if self.error_data is None else f", error_data={self.error_data!r}"
        return f"FlextResult.fail({self.error!r}{code}{data})"


def raised(error: Exception) -> FlextFailure:
    """The failure that an exception becomes; its ``error_code`` is "exception"."""
    return FlextFailure(described(error), RAISED, {"exception": type(error).__name__})


def described(error: BaseException) -> str:
    """The exception's class and message, whatever its own ``str`` does."""
    text = text_of(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def told(error: object) -> str:
    """What somebody tells went wrong, in whatever form; ``""`` if nothing."""
    if isinstance(error, BaseException):
        return text_of(error) or type(error).__name__
    return "" if error is None else text_of(error)


def text_of(value: object) -> str:
    """A value as text; ``""`` where it cannot be told."""
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - a description must come out
        return ""


def data_of(given: object) -> dict[str, object] | None:
    """A copy of what was told of a failure besides."""
    if given is None:
        return None
    try:
        return dict(given)  # type: ignore[call-overload, no-any-return]
    except Exception:  # noqa: BLE001 - what tells of trouble makes none
        return {"error_data": given}


def checked(result: FlextResult[U]) -> FlextResult[U]:
    """The result itself, or a failure in the place of what is none."""
    if isinstance(result, FlextResult):
        return result
    if hasattr(result, "is_failure") and hasattr(result, "unwrap"):
        return adopted(result)
    kind = type(result).__name__
    return FlextFailure(
        f"the function returned {kind}; expected a FlextResult", NOT_A_RESULT
    )


def adopted(result: Any) -> FlextResult[Any]:
    """A result of the real ``flext_core``, where that is installed, as one of ours."""
    if not result.is_failure:
        return FlextSuccess(result.unwrap())
    return FlextResult[Any].fail(
        result.error,
        getattr(result, "error_code", None),
        getattr(result, "error_data", None) or None,
    )
