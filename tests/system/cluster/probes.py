"""Who can connect to whom, tried from within the pods."""

import json
from collections.abc import Mapping

from system.cluster import kube

SECONDS = 3
"""a packet that a policy drops is not answered"""

PROGRAM = """
import concurrent.futures, json, socket
def connects(target):
    host, port = target.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), timeout={seconds}).close()
    except OSError:
        return False
    return True
targets = {targets}
with concurrent.futures.ThreadPoolExecutor(len(targets)) as pool:
    print(json.dumps(list(pool.map(connects, targets))))
"""


def connects(namespace: str, pod: str, targets: Mapping[str, str]) -> dict[str, bool]:
    """Whether a pod connects to each of the targets, which are `host:port` by any name."""
    program = PROGRAM.format(seconds=SECONDS, targets=json.dumps(list(targets.values())))
    return dict(zip(targets, json.loads(kube.python(namespace, pod, program)), strict=True))
