"""From a child's file to an object in the bucket."""
