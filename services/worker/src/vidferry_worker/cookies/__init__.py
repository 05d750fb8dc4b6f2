"""The cookies that the service has for sites: read from the operator's files, lent to children for their own site."""
