"""What a question goes through."""
