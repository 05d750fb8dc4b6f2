"""What the api answers, a module a subject."""
