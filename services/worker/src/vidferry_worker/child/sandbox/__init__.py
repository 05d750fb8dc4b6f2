"""The sandbox of a child and of the programs that it starts: Landlock, seccomp and resource limits."""
