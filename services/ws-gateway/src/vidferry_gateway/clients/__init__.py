"""The connections of clients: WebSockets and event streams, and what all of them share."""
