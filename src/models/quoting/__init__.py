"""The chat model that quotes the passages it is given, and says so."""
