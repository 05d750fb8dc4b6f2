"""`python -m vidferry_local`, which is what `make up` runs."""

from vidferry_local.main import main

main()
