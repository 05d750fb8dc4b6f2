"""The api service: the REST API and the web page."""
