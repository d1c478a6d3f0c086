"""The rows of the registry, a file per family of architectures."""
