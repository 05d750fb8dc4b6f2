"""How the kernel holds a child, and what it starts."""
