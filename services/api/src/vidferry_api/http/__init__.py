"""What holds for all of HTTP: middleware, problem documents, conditional requests, public URLs."""
