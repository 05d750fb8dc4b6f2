"""`python -m vidferry_api.access new`: makes an API key, and its entry for the keys file."""

from vidferry_api.access.command import main

main()
