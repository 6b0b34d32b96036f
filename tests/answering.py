"""What an operation answers, whether or not it is to be awaited."""

import asyncio
import inspect


def answer(call, *arguments, **named):
    given = call(*arguments, **named)
    return asyncio.run(given) if inspect.iscoroutine(given) else given
