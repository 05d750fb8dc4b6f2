"""The only way from a child to the network."""
