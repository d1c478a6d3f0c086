"""The texts that are read, one module a format: what stands in them, and where."""
