"""Models that run on this machine, and the folders that they are read from."""
