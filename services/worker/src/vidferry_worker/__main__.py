"""`python -m vidferry_worker`"""

from vidferry_worker.main import main

main()
