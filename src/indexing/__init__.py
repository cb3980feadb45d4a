"""Documents into a collection: sync, rebuild, and what they know of loaders and of what is stored."""
