"""Content-Security-Policies: what a browser may do with an answer that is no page."""

NO_CONTENT = "default-src 'none'; frame-ancestors 'none'"
"""the policy of answers that show nothing"""
INERT = "default-src 'none'; sandbox"
"""the policy of what strangers made: it is shown or saved, and nothing in it runs"""
