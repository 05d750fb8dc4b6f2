"""What a test tells and asks an origin that runs as a process of its own. In the test's process use Site itself.

Like any path these follow `/u/<token>`, and speak of that site; without it, of the root's.

    /control/open?gate=<gate>
    /control/held?gate=<gate>           answers once `&clients=` (1) wait there; 504 after `&timeout=` (30) seconds
    /control/mutate?key=<key>
    /control/requests?path=<path>       JSON, a list of site.Exchange; `&settled=<seconds>` waits until none is under
                                        way. Without a token: the requests of all sites
    /control/reset                      without a token: all sites
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial

from support.origin.site import Site, Sites
from support.origin.wire import Reply, Request, text

# A thread can't be cancelled: one that waits looks up so often, so that the server needn't wait long for it to stop.
GLANCE = 0.5


def control(request: Request, sites: Sites) -> Reply:
    commands: dict[str, Callable[[Request, list[Site]], Reply]] = {
        "/control/open": _open,
        "/control/held": _held,
        "/control/mutate": _mutate,
        "/control/requests": _requests,
        "/control/reset": _reset,
    }
    if request.path not in commands:
        return text("no such command\n", status=404)
    own = sites.get(request.site)
    others = [] if request.site else [site for site in sites.all() if site is not own]
    return commands[request.path](request, [own, *others])


def _open(request: Request, sites: list[Site]) -> Reply:
    sites[0].gate(request.value("gate")).open()
    return text("open\n")


def _held(request: Request, sites: list[Site]) -> Reply:
    gate, clients = sites[0].gate(request.value("gate")), request.number("clients", 1)

    async def wait() -> bytes:
        await _in_thread(partial(gate.wait_held, clients), request.number("timeout", 30))
        return b"held\n"

    return text("", work=wait)


def _mutate(request: Request, sites: list[Site]) -> Reply:
    return text(f"{sites[0].mutate(request.value('key'))}\n")


def _requests(request: Request, sites: list[Site]) -> Reply:
    path, patience = request.value("path") or None, request.number("settled", 0)

    async def wait() -> bytes:
        if patience:
            for site in sites:
                await _in_thread(partial(site.settled, path), patience)
        found = [one for site in sites for one in site.requests(path)]
        return json.dumps([asdict(one) for one in sorted(found, key=lambda one: one.number)]).encode()

    return text("", "json", work=wait)


def _reset(request: Request, sites: list[Site]) -> Reply:
    for site in sites:
        site.reset()
    return text("reset\n")


async def _in_thread(wait: Callable[[float], object], seconds: float) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while True:
        left = end - loop.time()
        try:
            await asyncio.to_thread(wait, min(left, GLANCE))
        except TimeoutError:
            if left <= GLANCE:
                raise
        else:
            return
