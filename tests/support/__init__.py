"""What the tests stand on: servers that speak the providers' wire formats, and what they answer with."""
