"""The chat model that quotes."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.embeddings import Embeddings
from langchain_core.messages import BaseMessage, HumanMessage
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from milvus_rag import ExtractiveChatModel
from milvus_rag.errors import InputError
from milvus_rag.models.quoting.chat import INTRODUCTION, NEAREST, NO_ANSWER, NO_QUESTION

STORAGE = """ Where does Milvus store data?

Milvus deals with two types of data, inserted data and metadata.

Inserted data, including vector data, scalar data, and collection-specific schema, are stored in persistent storage as \
incremental log. Milvus supports multiple object storage backends, e.g. MinIO.

Metadata are generated within Milvus. Each Milvus module has its own metadata that are stored in etcd.

###"""
WINDOWS = """ Can I install Milvus on Windows?

Yes. You can install Milvus on Windows by compiling from source code.

###"""
PORTS = """# Ports

Open these ports:

- 19530 for gRPC
- 9091 for metrics

| port | component |
|------|-----------|
| 2379 | etcd      |
| 9000 | MinIO     |

Start the server with:

```bash
docker run -p 19530:19530 milvus
```
"""


class _Extractive:
    @property
    def chat_model_class(self) -> type[ExtractiveChatModel]:
        return ExtractiveChatModel

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {}

    @property
    def has_tool_calling(self) -> bool:
        return False

    @property
    def has_structured_output(self) -> bool:
        return False


class TestStandard(_Extractive, ChatModelUnitTests):
    """LangChain's own tests of chat models."""


class TestStandardCalls(_Extractive, ChatModelIntegrationTests):
    """LangChain's own tests of what chat models answer."""


def _ask(question: str, *texts: str, **documents: Any) -> HumanMessage:
    context = "\n".join(texts)
    prompt = f"<context>\n{context}\n</context>\n<question>\n{question}\n</question>"
    return HumanMessage(prompt, additional_kwargs=documents)


def _quotes(question: str, *texts: str, **fields: Any) -> str:
    """The answer's quotes, without the line about the model and the quotation marks."""
    answer = str(ExtractiveChatModel(**fields).invoke([_ask(question, *texts)]).content)
    assert answer.startswith(INTRODUCTION)
    return re.sub(r"^> ?", "", answer.removeprefix(INTRODUCTION).strip(), flags=re.MULTILINE)


def test_usage_counts_words_streamed_or_not() -> None:
    messages = [_ask("Where is data stored?", "Data is stored in MinIO.")]
    whole = ExtractiveChatModel().invoke(messages)
    pieces = list(ExtractiveChatModel().stream(messages))
    assert whole.usage_metadata == {
        "input_tokens": 13,
        "output_tokens": len(whole.content.split()),
        "total_tokens": 13 + len(whole.content.split()),
    }
    assert [piece.usage_metadata for piece in pieces if piece.usage_metadata] == [whole.usage_metadata]


def test_the_tutorials_question_is_answered_with_the_sentences_about_storage() -> None:
    quotes = _quotes("How is data stored in milvus?", WINDOWS, STORAGE)

    assert "Inserted data, including vector data" in quotes
    assert "metadata that are stored in etcd." in quotes
    assert "Windows" not in quotes


def test_one_line_says_that_no_language_model_was_used() -> None:
    answer = str(ExtractiveChatModel().invoke([_ask("Where is data stored?", STORAGE)]).content)

    assert [line for line in answer.splitlines() if "language model" in line] == [INTRODUCTION]


def test_a_section_whose_heading_asks_the_same_is_quoted_from_its_start() -> None:
    assert _quotes("can milvus be installed on windows?", STORAGE, WINDOWS).startswith("Yes. You can install Milvus")


def test_words_are_compared_by_their_stems_and_stop_words_do_not_count() -> None:
    assert _quotes("What is stored where?", "What is where? It is what it is.", "A log stores rows.") == (
        "A log stores rows."
    )


def test_a_sentence_that_introduces_a_list_brings_the_list() -> None:
    assert _quotes("Which ports do I have to open?", PORTS).startswith(
        "Open these ports:\n\n- 19530 for gRPC\n- 9091 for metrics"
    )


def test_a_list_item_brings_the_sentence_that_introduces_it() -> None:
    assert _quotes("gRPC", PORTS) == "Open these ports:\n\n- 19530 for gRPC"


def test_a_table_row_is_quoted_with_its_header() -> None:
    assert _quotes("etcd component", PORTS) == "| port | component |\n|------|-----------|\n| 2379 | etcd      |"


def test_a_code_block_is_quoted_whole() -> None:
    assert _quotes("docker", PORTS) == ("Start the server with:\n\n```bash\ndocker run -p 19530:19530 milvus\n```")


def test_sentences_that_are_left_out_between_two_quotes_are_marked() -> None:
    text = "Recall drops with few lists. The weather is nice. Recall grows with more lists."
    assert _quotes("recall lists", text) == ("Recall drops with few lists. […] Recall grows with more lists.")


def test_a_sentence_that_says_something_comes_before_one_that_points_elsewhere() -> None:
    pointer = "- Learn how to enable [TLS in Milvus](tls.md)."
    answer = "To have Milvus enable TLS, set tlsMode to 1 in the configuration file and restart it."
    assert _quotes("enable TLS in Milvus", f"{pointer}\n\n{answer}", max_quotes=1) == answer


def test_where_a_link_leads_to_is_no_match() -> None:
    assert _quotes("tls", "See [this page](tls.md).\n\nTLS is on.") == "TLS is on."


def test_a_passage_that_was_retrieved_twice_is_quoted_once() -> None:
    assert _quotes("windows", WINDOWS, WINDOWS).count("You can install Milvus") == 1


def test_no_more_than_max_quotes_pieces_are_chosen() -> None:
    text = "\n\n".join(f"Milvus fact {number} is true." for number in range(20))
    assert len(_quotes("milvus facts", text, max_quotes=3).split("\n\n")) == 3


def test_the_sources_stand_under_their_quotes() -> None:
    documents = [
        {"text": STORAGE, "source": "faq/product.md", "headings": ["FAQ"], "start_line": 3, "end_line": 12},
        {"text": WINDOWS, "source": "faq/operation.md", "headings": [], "start_line": None, "end_line": None},
    ]
    answer = str(ExtractiveChatModel().invoke([_ask("install on windows", documents=documents)]).content)
    assert answer.endswith("source code.\n>\n> — faq/operation.md")
    answer = str(ExtractiveChatModel().invoke([_ask("stored metadata", documents=documents)]).content)
    assert answer.endswith("\n>\n> — faq/product.md, lines 3-12: FAQ")


@pytest.mark.parametrize("question", ["How do I bake bread in Milvus?", "the of and", "???"])
def test_where_no_sentence_stands_out_the_nearest_is_quoted_and_said_to_be(question: str) -> None:
    answer = str(ExtractiveChatModel().invoke([_ask(question, STORAGE, WINDOWS)]).content)
    assert answer.startswith(f"{NEAREST}\n\n> Milvus deals with two types of data")


def test_no_context_is_no_answer_and_no_question_is_said_to_be_none() -> None:
    assert ExtractiveChatModel().invoke("Where is data stored?").content == NO_ANSWER
    assert ExtractiveChatModel().invoke([_ask("", STORAGE)]).content == NO_QUESTION


def _of(question: str, *documents: dict[str, Any], **fields: Any) -> str:
    answer = str(ExtractiveChatModel(**fields).invoke([_ask(question, documents=list(documents))]).content)
    return re.sub(r"^> ?", "", answer, flags=re.MULTILINE)


def test_every_piece_may_answer_and_not_only_the_one_of_the_best_score() -> None:
    """A short line that repeats a word of the question is no answer, and keeps none from being one."""
    signature = {"text": "`dusk(): time`\n\n- Returns the moment of the last light.", "headings": ["dusk()"]}
    other = {"text": "A function is in it. A formula has functions, a formula returns them.", "headings": ["Kinds"]}
    answer = _of("What does the formula function dusk() return?", other, signature)
    assert answer.startswith(INTRODUCTION)
    assert "Returns the moment" in answer


def test_what_stands_around_in_a_retrieved_passage_comes_along_while_there_is_room() -> None:
    story = " ".join(f"In year {n} nothing of note was seen there." for n in range(100))
    answer = _of(
        "When did the bell crack?", {"text": f"{story} The bell cracked. It was cold. {story}", "source": "a.md"}
    )
    assert "The bell cracked. It was cold." in answer
    assert 400 < len(answer) < 900


def test_a_passage_that_says_nothing_of_the_question_is_not_quoted_to_fill_room() -> None:
    answer = _of("Who cracked the bell?", {"text": "Tom cracked the bell."}, {"text": "Ropes are made of hemp."})
    assert "hemp" not in answer


class _Meals(Embeddings):
    """Whether a text is about a meal."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return [1.0, 0.0] if re.search("lunch|eats", text) else [0.0, 1.0]


def test_sentences_are_compared_by_meaning_where_an_embedding_is_at_hand() -> None:
    text = "The tower is tall. Ropes are made of hemp. The keeper eats at noon."
    answer = _of("lunch?", {"text": text}, embedding=_Meals(), max_quotes=1)
    assert answer.startswith(NEAREST)
    assert "The keeper eats at noon." in answer


def test_chinese_and_korean_passages_are_quoted() -> None:
    chinese = "Milvus 将数据存储在对象存储中。查询在内存中执行。"
    assert _quotes("数据存储在哪里", chinese) == "Milvus 将数据存储在对象存储中。"
    korean = "데이터는 오브젝트 스토리지에 저장됩니다. 쿼리는 메모리에서 실행됩니다."
    assert _quotes("데이터를 어디에 저장하나요?", korean) == "데이터는 오브젝트 스토리지에 저장됩니다."


def test_another_languages_stop_words_and_stems_can_be_chosen() -> None:
    text = "Die Daten werden gespeichert. Das ist die Frage nach dem und dem."
    assert _quotes("Wo ist die Speicherung der Daten?", text, language="german") == "Die Daten werden gespeichert."


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(InputError, match="klingon"):
        ExtractiveChatModel(language="klingon").invoke([_ask("data", STORAGE)])


def test_streaming_gives_the_same_answer_word_by_word() -> None:
    messages: list[BaseMessage] = [_ask("Where is data stored?", STORAGE)]
    chunks = [str(chunk.content) for chunk in ExtractiveChatModel().stream(messages)]

    assert "".join(chunks) == ExtractiveChatModel().invoke(messages).content
    assert max(len(chunk.split()) for chunk in chunks) == 1
    assert len(chunks) > 20


async def test_streaming_is_the_same_async() -> None:
    messages: list[BaseMessage] = [_ask("Where is data stored?", STORAGE)]
    chunks = [str(chunk.content) async for chunk in ExtractiveChatModel().astream(messages)]

    assert chunks == [str(chunk.content) for chunk in ExtractiveChatModel().stream(messages)]


def test_text_without_blanks_streams_by_the_character() -> None:
    chinese = "数据存储在对象存储中。"
    chunks = [str(chunk.content) for chunk in ExtractiveChatModel().stream([_ask("数据存储", chinese)])]
    assert [len(chunk.strip()) for chunk in chunks if "存" in chunk] == [1, 1]


def test_a_stop_word_ends_the_answer() -> None:
    answer = ExtractiveChatModel().invoke([_ask("Where is data stored?", STORAGE)], stop=["language"])
    assert answer.content == "No "


@given(st.lists(st.sampled_from(["Milvus stores data. Yes!", "- data item", "```\ndata\n```", "# Data", "", "{x}"])))
def test_every_quote_stands_in_the_context_to_the_character(lines: list[str]) -> None:
    context = "\n".join(lines)
    answer = str(ExtractiveChatModel().invoke([_ask("milvus data", context)]).content)
    if answer not in (NO_ANSWER, NO_QUESTION):
        quoted = re.sub(
            r"^> ?", "", answer.removeprefix(INTRODUCTION).removeprefix(NEAREST).strip(), flags=re.MULTILINE
        )
        for block in re.split(r"\n\n| \[…\] |(?<=data\.) |\n(?=- )", quoted):
            assert block in context


@pytest.mark.parametrize("unit", ["[", "](", "[a](", "[a](b(", "](x(y)", "[a](b) ", "zebra. ", "- zebra\n"])
@pytest.mark.huge
def test_hostile_passages_are_answered_from_in_linear_time(unit: str) -> None:
    """100,000 characters each: were anything quadratic, this would take minutes."""
    page = f"The zebra is here. {unit * (100_000 // len(unit))}"
    assert "zebra" in _quotes("Where is the zebra?", page)
    assert "zebra" in _of("Where is the zebra?", {"text": page})


def test_a_link_whose_address_holds_brackets_is_taken_for_one() -> None:
    """Its address is no answer."""
    page = "See [this page](https://example.com/zebra_(animal)_stripes.md).\n\nStripes are black and white."
    assert _quotes("Which stripes?", page) == "Stripes are black and white."


def test_a_citation_is_one_line() -> None:
    """Whatever the name of the file: it may come from an archive of a stranger."""
    documents = [{"text": "Zebras have stripes.", "source": "a.md\n\nZebras are red.\n"}]
    answer = str(ExtractiveChatModel().invoke([_ask("Zebras?", documents=documents)]).content)
    assert answer.endswith("> — a.md Zebras are red.")
