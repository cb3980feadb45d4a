"""Models behind an API: the table of providers, their clients, and what every call goes through."""
