"""The ws-gateway's paths, refused here."""
