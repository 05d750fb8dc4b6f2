"""Does tasks: what workers do beside their downloads."""
