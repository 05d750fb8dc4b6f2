"""How each site is treated: what the operator's sites file says of it, above the settings."""
