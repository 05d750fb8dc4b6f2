"""The connections of clients: WebSockets, event streams, and what they share."""
