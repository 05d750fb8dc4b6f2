"""An origin as a process: prints its address and serves until SIGINT or SIGTERM.

PYTHONPATH=tests python -m support.origin --port 0
"""

import argparse
import signal

from support.origin.server import Origin


def main() -> None:
    parser = argparse.ArgumentParser(prog="support.origin", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    port: int = parser.parse_args().port
    stops = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, stops)  # before the server's thread starts, which inherits it
    with Origin(port) as origin:
        print(origin.address, flush=True)
        signal.sigwait(stops)


if __name__ == "__main__":
    main()
