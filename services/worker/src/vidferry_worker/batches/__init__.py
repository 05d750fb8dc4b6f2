"""Makes the children of batches."""
