"""The REST API, the job records and the web page."""
