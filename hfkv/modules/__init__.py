"""What transformers builds from a config and a checkpoint: modules by name, with their sizes."""
