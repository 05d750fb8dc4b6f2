"""A Python that trusts a certificate of the tests, for the programs that a test starts."""

import sys
from pathlib import Path

SCRIPT = """#!{python}
import runpy, sys
import certifi
certifi.where = lambda: {certificate!r}
arguments, sys.executable = sys.argv[1:], __file__
sys.argv = arguments[arguments.index("-m") + 1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


def python_that_trusts(certificate: Path) -> Path:
    """A program in the certificate's folder, which takes `-m module` like Python, and so do those that it starts."""
    path = certificate.parent / "trusting-python"
    path.write_text(SCRIPT.format(python=sys.executable, certificate=str(certificate)))
    path.chmod(0o755)
    return path
