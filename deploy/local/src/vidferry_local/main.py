"""`make up`: runs all of Vidferry on one machine, under one supervisor and with a process for each service."""

import asyncio
import contextlib
import logging
import signal
import socket
import sys
import tempfile
from pathlib import Path

from vidferry_common import log
from vidferry_common.settings import load_settings
from vidferry_local.addresses import bound_sockets
from vidferry_local.data_folder import locked_data_folder
from vidferry_local.errors import CannotRun
from vidferry_local.settings import LocalSettings
from vidferry_local.startup import LocalStack

logger = logging.getLogger("vidferry_local")


def main() -> None:
    settings = load_settings(LocalSettings)
    log.set_up(settings, "up")
    try:
        with locked_data_folder(settings.data) as data, bound_sockets(settings.host, settings.port) as sockets:
            asyncio.run(_run_stack(settings, data, sockets))
    except CannotRun as error:
        sys.exit(f"Vidferry stops: {error}")


async def _run_stack(settings: LocalSettings, data: Path, sockets: list[socket.socket]) -> None:
    """Runs until SIGINT or SIGTERM, or until a service fails for good."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    stopping = asyncio.create_task(stop.wait())
    with tempfile.TemporaryDirectory(prefix="vidferry-") as run_folder:
        stack = LocalStack(settings, data, Path(run_folder), sockets)
        starting = asyncio.create_task(stack.start())
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not stopping.done():
                await starting
                await asyncio.wait({stopping, *stack.supervision}, return_when=asyncio.FIRST_COMPLETED)
            for task in stack.supervision:
                if task.done():
                    await task
        finally:
            logger.info("stopping")
            starting.cancel()
            with contextlib.suppress(asyncio.CancelledError, CannotRun):
                await starting
            await stack.stop()
            logger.info("stopped")
