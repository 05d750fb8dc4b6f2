"""Webhooks of owners: what the keys file says of them, and the settings that api and worker share."""
