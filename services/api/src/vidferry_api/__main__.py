"""`python -m vidferry_api`"""

from vidferry_api.main import main

main()
