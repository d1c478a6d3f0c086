"""What training an adapter takes, against the libraries that train it."""
