"""The door for whoever speaks OpenAI's protocol: ``/v1/models`` and ``/v1/chat/completions``."""
