"""A limit for the whole of a question to the network, whatever a library does meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def _begin(call: Callable[[], T]) -> tuple[threading.Thread, list[T], list[BaseException]]:
    done: list[T] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            done.append(call())
        except BaseException as error:
            failed.append(error)

    # A daemon: a server that trickles must not keep the program from ending, nor must Ctrl-C wait.
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread, done, failed


def within(seconds: float, call: Callable[[], T]) -> T:
    """The result of `call`, or TimeoutError: limits of HTTP libraries are for single reads."""
    thread, done, failed = _begin(call)
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not done:
        raise TimeoutError
    return done[0]


def all_at_once(calls: Sequence[Callable[[], T]]) -> list[T]:
    """The results in the order of `calls`, each of which ends by itself."""
    begun = [_begin(call) for call in calls]
    found = []
    for thread, done, failed in begun:
        thread.join()
        if failed:
            raise failed[0]
        found += done
    return found
