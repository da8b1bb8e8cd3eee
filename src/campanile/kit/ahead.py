"""Making the next items while the present one is used."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")
_Made = TypeVar("_Made")


def ahead(items: Iterator[_Item]) -> Generator[_Item, None, None]:
    """The same items, each made in another thread while the one before is being used.

    Errors of `items` are raised here, at their turn. Close the generator to end early: it waits for the item that is
    being made.
    """
    with ThreadPoolExecutor(1, "ahead") as pool:
        coming = pool.submit(_next, items)
        while found := coming.result():
            coming = pool.submit(_next, items)
            yield found[0]


def made_ahead(make: Callable[[_Item], _Made], items: Iterable[_Item], at_once: int) -> Generator[_Made, None, None]:
    """What `make` makes of the items, in their order: `at_once` are being made in threads while one before is used.

    Errors are raised here, at their turn. Close the generator to end early: it waits for what is being made.
    """
    with ThreadPoolExecutor(at_once, "made-ahead") as pool:
        coming: deque[Future[_Made]] = deque()
        try:
            for item in items:
                coming.append(pool.submit(make, item))
                if len(coming) > at_once:
                    yield coming.popleft().result()
            while coming:
                yield coming.popleft().result()
        finally:
            for future in coming:
                future.cancel()


def _next(items: Iterator[_Item]) -> tuple[_Item] | None:
    for item in items:
        return (item,)
    return None
