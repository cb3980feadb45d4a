"""Indexing on an engine that spreads work over many processes and machines."""
