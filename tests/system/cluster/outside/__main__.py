"""What stands around Vidferry in the cluster: `python -m cluster.outside origin|bucket|discovery|issuer …`."""

import argparse
import json
import signal
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from support.faults import Fault
from support.gcs import fake_server
from support.gcs_layer import GcsLayer
from support.gcs_rules import Account
from support.layer import running
from support.origin.server import Origin
from system.cluster.outside import discovery, issuer

EVERYWHERE = "0.0.0.0"
EVERY = -1
"""times of a fault that is not used up"""
STOPS = {signal.SIGINT, signal.SIGTERM}
REFUSE, GRANT = signal.SIGUSR1, signal.SIGUSR2
"""make the bucket refuse every call with 403, and not any more"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="cluster.outside", description=__doc__)
    parser.add_argument("part", choices=["origin", "bucket", "discovery", "issuer"])
    parser.add_argument("--address", required=True, help="how the cluster's pods name it, with its port")
    parser.add_argument("--key", type=Path, help="the service account's key file")
    parser.add_argument("--bucket", help="the bucket to be there")
    parser.add_argument("--namespace", help="whose pods Prometheus reads")
    options = parser.parse_args()
    port = urlsplit(options.address).port
    assert port
    signal.pthread_sigmask(signal.SIG_BLOCK, {*STOPS, REFUSE, GRANT})  # before any thread starts, which inherits it
    if options.part == "origin":
        with Origin(port, EVERYWHERE, options.address):
            signal.sigwait(STOPS)
    elif options.part == "discovery":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
        discovery.serve(port, options.namespace)
    elif options.part == "issuer":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
        issuer.serve(port, options.address)
    else:
        serve_bucket(port, options.address, options.key, options.bucket)


def serve_bucket(port: int, address: str, key_file: Path, bucket: str) -> None:
    written = json.loads(key_file.read_text())
    key = serialization.load_pem_private_key(written["private_key"].encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    account = Account(written["client_email"], key)
    with fake_server() as backend:
        body = json.dumps({"name": bucket}).encode()
        url = f"http://127.0.0.1:{backend}/storage/v1/b?project=test"
        made = Request(url, body, {"Content-Type": "application/json"})
        with urlopen(made, timeout=10):
            pass
        with running(GcsLayer(backend, account, (EVERYWHERE, port), address)) as layer:
            while (told := signal.sigwait({*STOPS, REFUSE, GRANT})) not in STOPS:
                layer.faults.clear()
                if told == REFUSE:
                    layer.faults.put(Fault(lambda call: call.kind != "token", status=403, times=EVERY))


if __name__ == "__main__":
    main()
