from vidferry_gateway.main import main

main()
