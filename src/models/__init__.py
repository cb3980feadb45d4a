"""Everything that calls a model."""
