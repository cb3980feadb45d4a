"""Questions that a model writes from one's own chunks."""

import json
from pathlib import Path

import pytest
from langchain_core.documents import Document

from milvus_rag.errors import AuthenticationError, MilvusRagError
from milvus_rag.evaluation.made_questions import MadeQuestion, chosen, make_questions
from milvus_rag.evaluation.questions import read_questions
from support.chat import ReplyChatModel
from support.scripted_chat import ScriptedChat

from .test_eval_command import run_eval

BODY = (
    "Vectors are kept in object storage, so that any worker can load them. The log goes through a queue, which is "
    "emptied every hour by default, and whatever is older than a day is removed from there."
)
GOOD = {"question": "How often is the queue of the log emptied?", "quote": "emptied every hour"}


def _chunk(at: int = 0, source: str = "a.md", text: str = BODY) -> Document:
    return Document(f"T\n{text}", metadata={"source": source, "chunk": at, "body_start": 2})


def _made(reply: str) -> list[object]:
    return list(make_questions(ReplyChatModel(reply=reply), [_chunk()], 1, made_by="test"))


@pytest.mark.parametrize(
    "reply",
    [
        json.dumps(GOOD),
        f"Sure! Here you are:\n```json\n{json.dumps(GOOD, indent=1)}\n```\nAnything else?",
        f"<think>{{maybe this}}</think>{json.dumps(GOOD)}",
        f'**Question:** "{GOOD["question"]}"\n**Quote:** "{GOOD["quote"]}"',
    ],
)
def test_a_question_is_read_through_chatter(reply: str) -> None:
    assert _made(reply) == [MadeQuestion(GOOD["question"], "a.md", GOOD["quote"], "test")]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("I'd love to help! What would you like to know?", "no question with a quote"),
        ("", "no question with a quote"),
        (json.dumps({"question": "Where?"}), "no question with a quote"),
        (json.dumps({"question": 3, "quote": "x"}), "no question with a quote"),
        (json.dumps({**GOOD, "quote": "emptied every minute"}), "not of the passage"),
        (json.dumps({**GOOD, "quote": "hour"}), "too short"),
        (json.dumps({**GOOD, "question": "What does the passage say of the queue?"}), "cannot be understood without"),
        (json.dumps({**GOOD, "question": "Good. Nice. So: how often?"}), "chatter"),
        (json.dumps({**GOOD, "question": "How " * 100}), "chatter"),
        (json.dumps({**GOOD, "question": "vectors are kept in object storage"}), "stands in the passage itself"),
    ],
)
def test_what_is_no_question_is_refused_with_its_reason(reply: str, reason: str) -> None:
    (refused,) = _made(reply)
    assert reason in getattr(refused, "reason", "")
    assert getattr(refused, "place", "") == "a.md, chunk 0"


def test_the_seed_alone_chooses_and_the_files_take_turns() -> None:
    chunks = [_chunk(at, source) for source in ("a.md", "b.md", "c.md") for at in range(6)]
    chunks += [_chunk(9, text="Short."), Document(BODY, metadata={})]
    order = chosen(chunks, 1)
    assert len(order) == 18
    assert {chunk.metadata["source"] for chunk in order[:3]} == {"a.md", "b.md", "c.md"}
    assert chosen(chunks[::-1], 1) == order
    assert chosen(chunks, 2) != order


def test_the_same_question_counts_once_and_the_asking_ends() -> None:
    chunks = [_chunk(at) for at in range(20)]
    chat = ReplyChatModel(reply=json.dumps(GOOD))
    made = list(make_questions(chat, chunks, 2, made_by="test"))
    assert [isinstance(each, MadeQuestion) for each in made] == [True, *[False] * 5]
    assert len(chat.sent) == 6


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.md").write_text(f"# Storage\n\n{BODY}\n\n# Again\n\n{BODY.replace('hour', 'week')}\n")
    return folder


def _environment(monkeypatch: pytest.MonkeyPatch, server: ScriptedChat) -> None:
    for name, value in server.environment("openai").items():
        monkeypatch.setenv(name, value)


def test_what_is_made_is_what_eval_reads(docs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "made.jsonl"
    other = {"question": "Who may load vectors?", "quote": "any worker can load them"}
    with ScriptedChat("Hm.", json.dumps(other), json.dumps(GOOD)) as server:
        _environment(monkeypatch, server)
        ran = run_eval(path, "--docs", docs, "--make-questions", 1, "--llm", "openai:tiny", "--seed", 3)
    assert ran.exit_code == 0, ran.output
    assert "Refused: a.md, chunk " in ran.stderr
    assert "1 of 1 questions made of 2 chunks" in ran.stderr
    (line,) = path.read_text().splitlines()
    assert json.loads(line) == {
        "question": other["question"], "file": "a.md", "text": other["quote"], "made_by": "openai:tiny",
    }  # fmt: skip
    assert read_questions(path)[0].made
    measured = run_eval(path, "--docs", docs)
    assert measured.exit_code == 0
    assert "1 of 1 questions were written by a model" in measured.stderr


def test_fewer_than_wanted_is_told_by_the_exit_code(docs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedChat("No idea.") as server:
        _environment(monkeypatch, server)
        ran = run_eval("--docs", docs, "--make-questions", 5, "--llm", "openai:tiny", "--json")
    assert ran.exit_code == 1
    answer = json.loads(ran.stdout)
    assert answer["questions"] == []
    assert len(answer["refused"]) == 2
    assert "0 of 5 questions made of 2 chunks" in ran.stderr


def test_where_none_was_made_no_file_is_in_the_way_of_the_next_try(
    docs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "made.jsonl"
    with ScriptedChat("No idea.") as server:
        _environment(monkeypatch, server)
        assert run_eval(path, "--docs", docs, "--make-questions", 1, "--llm", "openai:tiny").exit_code == 1
        assert not path.exists()
        monkeypatch.setenv("OPENAI_API_KEY", "wrong")
        with pytest.raises(AuthenticationError):
            run_eval(path, "--docs", docs, "--make-questions", 1, "--llm", "openai:tiny")
        assert not path.exists()


def test_a_model_that_cannot_be_asked_ends_it(docs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedChat("x") as server:
        _environment(monkeypatch, server)
        monkeypatch.setenv("OPENAI_API_KEY", "wrong")
        with pytest.raises(AuthenticationError):
            run_eval("--docs", docs, "--make-questions", 1, "--llm", "openai:tiny")


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (["--make-questions", "1"], "'local' quotes, and writes no questions"),
        (["docs/a.md", "--make-questions", "1", "--llm", "openai:x"], "is not overwritten"),
        (["--make-questions", "1", "--suggest"], "one command after the other"),
        ([], "Which questions"),
    ],
)
def test_what_cannot_be_done_is_said_before(
    docs: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], wrong: str
) -> None:
    monkeypatch.chdir(docs.parent)
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    with pytest.raises(MilvusRagError, match=wrong):
        run_eval(*arguments)
