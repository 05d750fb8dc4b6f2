"""What Python's cancellation gets wrong where redis-py is called."""

import asyncio


def raise_lost_cancellation() -> None:
    """Raises a cancellation that asyncio.wait_for lost: redis-py uses it, and before Python 3.12 it may lose one."""
    task = asyncio.current_task()
    if task and task.cancelling():
        raise asyncio.CancelledError


def clear_cancellation() -> None:
    """Lets the task go on after its cancellation, which it is handling.

    While a task counts as cancelled, a timeout within it raises CancelledError (asyncio.timeout before Python 3.11.3),
    and redis-py relies on timeouts.
    """
    task = asyncio.current_task()
    while task and task.cancelling():
        task.uncancel()
