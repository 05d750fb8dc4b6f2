"""Takes attempts from the queue, keeps their leases, and puts back what dead workers held."""
