"""Which passages an answer cites, and whether they say so."""

from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.runnables import Runnable, RunnableLambda

from milvus_rag import ExtractiveChatModel, MilvusStore, milvus_retriever, rag_chain
from milvus_rag.chains.citations import citations_of, cited_sentences
from milvus_rag.chains.prompts import CITING_SYSTEM_PROMPT
from support.chat import ReplyChatModel

PASSAGES = [
    Document(
        "Green tea is steeped at seventy degrees.",
        metadata={"source": "tea.md", "headings": ["Tea", "Green"], "start_line": 3, "end_line": 5},
    ),
    Document("Black tea takes boiling water for four minutes.", metadata={"source": "tea.md"}),
    Document("An espresso is pressed with nine bars."),
]


def chain_of(reply: str, **options: Any) -> Runnable[Any, Any]:
    found: Runnable[str, list[Document]] = RunnableLambda(lambda _: PASSAGES)
    return rag_chain(found, ReplyChatModel(reply=reply), citations=True, **options)


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("Tea is hot [1]. Coffee is strong [3].", [("Tea is hot.", [1]), ("Coffee is strong.", [3])]),
        ("Tea is hot. [1] Coffee is strong. [2][3]", [("Tea is hot.", [1]), ("Coffee is strong.", [2, 3])]),
        ("- Tea is hot [1]\n- Coffee [2]", [("- Tea is hot", [1]), ("- Coffee", [2])]),
        ("> Tea is hot.\n>\n> — tea.md, lines 3-5: Green [1]", [("Tea is hot.", [1])]),
        ("`a[1]` is code.\n\n```\nb[2]\n```\n\nTea [3].", [("Tea.", [3])]),
        ("Nothing is cited.", []),
        ("[1] says that tea is hot.", [("says that tea is hot.", [1])]),
    ],
)
def test_each_citation_is_of_a_sentence(answer: str, found: list[tuple[str, list[int]]]) -> None:
    cited = [
        (" ".join(sentence.split()).replace(" .", "."), numbers) for sentence, numbers in cited_sentences(answer, 3)
    ]

    assert cited == found


def test_a_sentence_in_other_words_is_told_from_one_that_the_passage_says() -> None:
    cited = citations_of("Green tea is steeped at seventy degrees [1]. Bears hibernate in winter [2].", PASSAGES)

    assert [(each["number"], each["overlap"], each["supported"]) for each in cited] == [(1, 1.0, True), (2, 0.0, False)]
    assert cited[0] == {
        "number": 1, "source": "tea.md", "headings": ["Tea", "Green"], "start_line": 3, "end_line": 5, "overlap": 1.0,
        "supported": True,
    }  # fmt: skip


def test_of_several_sentences_the_weakest_counts() -> None:
    (cited,) = citations_of("Green tea is steeped [1]. Whales sing in choirs [1].", PASSAGES)

    assert not cited["supported"]


def test_words_are_compared_by_their_stems() -> None:
    (cited,) = citations_of("Steeping green teas takes seventy degrees [1].", PASSAGES)

    assert cited["overlap"] == pytest.approx(5 / 6, abs=0.01)


class TestChain:
    def test_the_passages_are_numbered_and_the_model_is_told_to_cite(self) -> None:
        chat = ReplyChatModel(reply="Hot [1].")
        rag_chain(RunnableLambda(lambda _: PASSAGES), chat, citations=True).invoke("How hot?")

        ((system, user),) = chat.sent
        assert system.content == CITING_SYSTEM_PROMPT
        assert "[1] tea.md\nGreen tea is steeped at seventy degrees.\n\n[2] tea.md\nBlack tea" in str(user.content)
        assert "[3]\nAn espresso" in str(user.content)
        assert "square brackets" in str(user.content)

    def test_the_output_has_what_was_cited(self) -> None:
        output = chain_of("Green tea wants seventy degrees [1][7].").invoke("How hot?")

        assert list(output) == ["question", "context", "answer", "citations"]
        assert output["answer"] == "Green tea wants seventy degrees [1]."
        assert [(each["number"], each["supported"]) for each in output["citations"]] == [(1, True)]

    def test_an_answer_that_cites_nothing_is_marked_so(self) -> None:
        assert chain_of("It is hot.").invoke("How hot?")["citations"] == []

    @pytest.mark.parametrize("reply", ["Hot [1 ].", "Hot [ 7] or [ 2 , 9 ] `a[ 7]`.", "Hot [", "Hot [1", "", "[7]"])
    async def test_what_is_streamed_is_the_final_text(self, reply: str) -> None:
        chain = chain_of(reply)
        whole = chain.invoke("How hot?")
        parts = list(chain.stream("How hot?"))

        assert "".join(part.get("answer", "") for part in parts) == whole["answer"]
        assert parts[-1] == {"citations": whole["citations"]}
        assert [part async for part in chain.astream("How hot?")] == parts
        assert await chain.ainvoke("How hot?") == whole

    def test_where_nothing_is_found_nothing_is_cited(self) -> None:
        chain = rag_chain(RunnableLambda(lambda _: []), ReplyChatModel(), citations=True)

        assert chain.invoke("How hot?")["citations"] == []

    def test_own_prompts_stay_as_they_are(self) -> None:
        chat = ReplyChatModel()
        prompts = {"system_prompt": "Be brief.", "user_prompt": "{context}\n{question}"}
        rag_chain(RunnableLambda(lambda _: PASSAGES[2:]), chat, citations=True, **prompts).invoke("How?")  # type: ignore[arg-type]

        ((system, user),) = chat.sent
        assert (system.content, user.content) == ("Be brief.", "[1]\nAn espresso is pressed with nine bars.\nHow?")

    def test_the_model_that_quotes_cites_by_nature(self, handbook: MilvusStore) -> None:
        chain = rag_chain(milvus_retriever(handbook), ExtractiveChatModel(), citations=True)
        output = chain.invoke("How many dimensions may a vector have?")

        assert output["citations"]
        assert all(each["supported"] for each in output["citations"])
        for each in output["citations"]:
            assert f"[{each['number']}]" in output["answer"]
            assert each["source"] == output["context"][each["number"] - 1].metadata["source"]
