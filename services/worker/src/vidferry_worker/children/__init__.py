"""The worker's side of its children: it starts, bounds and ends them. What they say is not trusted."""
