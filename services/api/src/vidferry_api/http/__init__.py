"""HTTP in general: middleware, problem documents, conditional requests, public URLs."""
