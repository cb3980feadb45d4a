"""Notes about a garden and a workshop, as somebody else's app would have them."""

from langchain_core.documents import Document

NOTES = [
    Document(
        "Tomatoes are watered every second evening in July.", id="t", metadata={"source": "g.md", "team": "garden"}
    ),
    Document("Roses are cut back in March, above an eye.", id="r", metadata={"source": "g.md", "team": "garden"}),
    Document("The lathe is oiled every second evening.", id="l", metadata={"source": "w.md", "team": "workshop"}),
    Document("Saws are sharpened in March with a fine file.", id="s", metadata={"source": "w.md", "team": "workshop"}),
]
