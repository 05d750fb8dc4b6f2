"""`make up`: all of Vidferry on one machine, each part a process of its own under one supervisor."""

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
from vidferry_local.place import bound_sockets, data_folder
from vidferry_local.programs import ProgramMissing
from vidferry_local.service import ServiceFailed
from vidferry_local.settings import LocalSettings
from vidferry_local.startup import Stack

logger = logging.getLogger("vidferry_local")


def main() -> None:
    settings = load_settings(LocalSettings)
    log.set_up(settings, "up")
    try:
        with data_folder(settings.data) as data, bound_sockets(settings.host, settings.port) as sockets:
            asyncio.run(_run(settings, data, sockets))
    except (ServiceFailed, ProgramMissing) as error:
        sys.exit(f"Vidferry stops: {error}")


async def _run(settings: LocalSettings, data: Path, sockets: list[socket.socket]) -> None:
    """Until SIGINT or SIGTERM, or until a part can't be kept up."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    stopping = asyncio.create_task(stop.wait())
    with tempfile.TemporaryDirectory(prefix="vidferry-") as run_folder:
        stack = Stack(settings, data, Path(run_folder), sockets)
        starting = asyncio.create_task(stack.start())
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not stopping.done():
                await starting
                await asyncio.wait({stopping, *stack.keepers}, return_when=asyncio.FIRST_COMPLETED)
            for keeper in stack.keepers:
                if keeper.done():
                    await keeper
        finally:
            logger.info("stopping")
            starting.cancel()
            with contextlib.suppress(asyncio.CancelledError, ServiceFailed, ProgramMissing):
                await starting
            await stack.stop()
            logger.info("stopped")
