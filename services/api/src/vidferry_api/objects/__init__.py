"""The objects of a folder, by their signed links."""
