"""Markdown, read once: its blocks and headings, its front matter, its plain text, and the pieces that can be quoted."""
