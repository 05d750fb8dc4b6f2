"""What became of the events of jobs, and sending one again."""
