"""Documents of other formats as Markdown, a format a file; each runs in a process of its own."""
