"""Hypothesis strategies for Markdown: real constructs, broken ones, and noise between them."""

from hypothesis import strategies as st

WORDS = st.text("abc XYZ.,!é世界", min_size=1, max_size=24)

# What CommonMark and the splitter read alike: headings of both kinds, fences of all sorts, comments, tables, quotes.
PLAIN_LINES = st.one_of(
    WORDS,
    st.sampled_from(
        [
            "", "", "", "# One", "## Two ##", "### Three {#three}", "###### Six", "####### seven", "#not", "  ## In",
            "    # code", "===", "---", "-----", "   ---", "***", "* * *", "```", "```python", "````", "~~~", "~~~~ x",
            "  ```", "   ~~~", "``` a`b", "> text", "<!-- one line -->", "<!--", "-->", "<!-->", "<pre>",
            "<pre>\n# x\n</pre>", "| a | b |\n|---|:-:|\n| 1 | 2 |\n", "a | b", "\\# escaped", "#", "##",
        ]
    ),
)  # fmt: skip

# What also appears in pages, and what a lenient reader takes for more than CommonMark does.
LINES = st.one_of(
    PLAIN_LINES,
    st.sampled_from(
        [
            "- item", "- ```sh", "    ```x", "  # in a list", "1. one", "   - nested", "     * deeper", "      code",
            "-", "text <!-- open", "closed --> text", "`<!--` in code", "<div>", "</div>", "</pre>", "<details>",
            "title: x", "...", "> # quoted", "| a | b |", "|---|:-:|", "| 1 | 2 |", "| " + "cell " * 12 + "|",
            "\tindented by a tab", "x" * 90, "\u2028", "a\x0cb", "\ufeff", "-->  <!--",
            "\x0c> quoted", "\xa0> quoted", "- \u2003> quoted", "> \x0c> quoted", "\x0c- item", "\xa0```",
        ]
    ),
)  # fmt: skip

PLAIN_MARKDOWN = st.lists(PLAIN_LINES, max_size=30).map("\n".join)
MARKDOWN = st.lists(LINES, max_size=40).map("\n".join)
