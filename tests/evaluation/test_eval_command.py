"""`milvus-rag eval`, as a user runs it."""

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from milvus_rag.cli import app
from milvus_rag.errors import MilvusRagError
from milvus_rag.evaluation.measures import MEASURES
from support.jina_server import JinaServer
from support.openai_server import OpenAIServer

QUESTIONS = [
    {"question": "Where are vectors stored?", "file": "storage.md", "text": "in object storage"},
    {"question": "Which port does the server listen on?", "file": "network.md", "text": "port 19530"},
]


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "storage.md").write_text("# Storage\n\nVectors are stored in object storage.\n\n# Logs\n\nLogs rotate.\n")
    (folder / "network.md").write_text("# Network\n\nThe server listens on port 19530.\n")
    return folder


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    path = tmp_path / "questions.jsonl"
    path.write_text("".join(f"{json.dumps(question)}\n" for question in QUESTIONS))
    return path


def run_eval(*arguments: object) -> Result:
    """The command, with these arguments."""
    return CliRunner().invoke(app, ["eval", *map(str, arguments)], catch_exceptions=False)


def _run(*arguments: object) -> str:
    result = run_eval(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_splitters_are_compared_on_files_and_leave_nothing_behind(docs: Path, questions: Path, tmp_path: Path) -> None:
    answer = json.loads(_run(questions, "--docs", docs, "--splitter", "markdown", "--splitter", "marker", "--json"))
    assert answer["questions"] == 2
    assert [result["configuration"] for result in answer["results"]] == ["markdown, all", "marker, all"]
    for result in answer["results"]:
        assert result["ranks"] == [1, 1]
        assert result["measures"] == dict.fromkeys(MEASURES, 1.0)
    assert not list(tmp_path.glob("*.db"))


def test_a_question_whose_passage_is_nowhere_is_told(docs: Path, questions: Path) -> None:
    wrong = [
        {"question": "Which file?", "file": "nofile.md", "text": "port 19530"},
        {"question": "Which text?", "file": "network.md", "text": "port 2"},
        {
            "question": "Which one?",
            "passages": [{"file": "no.md", "text": "x"}, {"file": "storage.md", "text": "Logs"}],
        },
        {"question": "In this folder?", "file": "./storage.md", "text": "Logs rotate."},
    ]
    with questions.open("a") as file:
        file.writelines(f"{json.dumps(question)}\n" for question in wrong)

    for arguments in ([], ["--suggest"]):
        told = run_eval(questions, "--docs", docs, *arguments).stderr
        assert "Note: 2 of 6 questions name a passage that is not in the collection" in told
        assert "'Which file?' (there is no nofile.md)" in told
        assert "'Which text?' (its text is nowhere in network.md)" in told
        assert "Which one?" not in told
    assert json.loads(_run(questions, "--docs", docs, "--json"))["unfound"] == [
        {"question": "Which file?", "reason": "there is no nofile.md"},
        {"question": "Which text?", "reason": "its text is nowhere in network.md"},
    ]


def test_a_passage_that_chunks_cut_in_two_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    words = [f"word{number}" for number in range(400)]
    (folder / "long.md").write_text(f"# Long\n\n{' '.join(words)}\n")
    path = tmp_path / "questions.jsonl"
    path.write_text(json.dumps({"question": "Which?", "file": "long.md", "text": " ".join(words[50:350])}))
    for splitter in ("markdown", "marker"):
        found = json.loads(_run(path, "--docs", folder, "--splitter", splitter, "--chunk-size", 300, "--json"))
        assert found["unfound"] == []


def test_an_index_is_measured_as_it_is(docs: Path, questions: Path) -> None:
    CliRunner().invoke(app, ["index", str(docs)], catch_exceptions=False)
    table = _run(questions, "--mode", "full_text")
    assert "full_text" in table
    assert "1.000" in table


def test_a_table_for_a_file_is_not_cut(docs: Path, questions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    table = _run(questions, "--docs", docs, "--mode", "full_text")
    assert "…" not in table
    assert all(name in table for name in ("markdown, full_text", *MEASURES))


def test_rerankers_are_compared(docs: Path, questions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with JinaServer() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        answer = json.loads(_run(questions, "--docs", docs, "--rerank", "none", "--rerank", "jina", "--json"))
        assert server.violations == []
        assert len(server.requests) == len(QUESTIONS)
    assert [result["configuration"] for result in answer["results"]] == ["markdown, all", "markdown, all, jina"]


def test_a_chart_is_a_png(docs: Path, questions: Path, tmp_path: Path) -> None:
    chart = tmp_path / "chart.png"
    _run(questions, "--docs", docs, "--plot", chart)
    assert chart.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (["--splitter", "marker"], "--docs"),
        (["--docs", "docs", "--splitter", "nosuch"], "--splitter"),
        (["--docs", "docs", "--mode", "dense"], "needs an embedding"),
        (["--docs", "docs", "--plot", "chart.jpg"], r"\.png"),
        (["--chunk-size", "600", "--chunk-size", "800"], "--docs"),
        (["--docs", "docs", "--weights", "0.3"], "--weights cannot be used: .*auto, or two numbers"),
        (["--docs", "docs", "--weights", "0,0"], "--weights cannot be used"),
        (["--docs", "docs", "--chunk-size", "20"], "--chunk-size cannot be used"),
        (["--docs", "docs", "--fusion", "rrf", "--fusion", "weighted"], "hybrid search, which needs an embedding"),
        (["--docs", "docs", "--mode", "full_text", "--weights", "auto"], "of hybrid search: add --mode hybrid"),
        (["--suggest"], "nothing to try|no database"),
        (["--docs", "docs", "--suggest", "--mode", "dense", "--mode", "hybrid"], "give each setting once"),
        (["--docs", "nosuch", "--rerank", "jinna"], "no reranker 'jinna'"),
        (["--docs", "nosuch", "--plot", "charts/of/chart.png"], "no folder charts/of"),
        ([], "There is no database"),
    ],
)
def test_what_cannot_be_measured_is_said(docs: Path, questions: Path, arguments: list[str], wrong: str) -> None:
    with pytest.raises(MilvusRagError, match=wrong):
        _run(questions, *arguments)


def test_files_that_fail_are_said_and_told_by_the_exit_code(docs: Path, questions: Path) -> None:
    (docs / "wide.md").write_bytes("# Seite\n\nÜber.\n".encode("latin-1"))
    result = CliRunner().invoke(app, ["eval", str(questions), "--docs", str(docs)], catch_exceptions=False)
    assert result.exit_code == 1
    assert "Failed: wide.md: " in result.stderr
    assert "1.000" in result.stdout


def test_the_database_of_a_server_is_not_looked_for_in_the_one_that_is_made(
    docs: Path, questions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MILVUS_RAG_DB_NAME", "tenant")
    assert "1.000" in _run(questions, "--docs", docs)


def test_weights_and_fusion_and_sizes_are_compared_with_intervals(
    docs: Path, questions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with OpenAIServer() as server:
        for name, value in server.environment("openai").items():
            monkeypatch.setenv(name, value)
        arguments = (
            questions, "--docs", docs, "--embeddings", "openai", "--weights", "0.3/0.7", "--weights", "auto",
            "--fusion", "weighted", "--fusion", "rrf", "--chunk-size", 300, "--chunk-size", 600,
        )  # fmt: skip
        answer = json.loads(_run(*arguments, "--json"))
        table = run_eval(*arguments)
    assert [result["configuration"] for result in answer["results"]] == [
        f"markdown {size}, all, {fusion}, weights {weights}"
        for size in (300, 600)
        for fusion in ("weighted", "rrf")
        for weights in ("0.3,0.7", "auto")
    ]
    assert all(result["intervals"]["MRR"] == [1.0, 1.0] for result in answer["results"])
    assert len(answer["comparisons"]) == 8 * 7 / 2
    assert not any(comparison["differ"] for comparison in answer["comparisons"])
    assert "≈" in table.stdout
    assert "2 questions are few" in table.stderr


def test_a_suggestion_over_two_questions_is_to_leave_all_as_it_is(docs: Path, questions: Path) -> None:
    suggested = run_eval(questions, "--docs", docs, "--suggest")
    assert suggested.exit_code == 0
    assert "Leave the settings as they are: of 2 changes none" in suggested.stdout
    assert json.loads(run_eval(questions, "--docs", docs, "--suggest", "--json").stdout)["set"] is None


def test_a_place_is_gold_where_the_same_words_stand_twice(docs: Path, tmp_path: Path) -> None:
    text = "# One\n\nThe port is 19530.\n\n# Two\n\nThe port is 19530.\n"
    (docs / "ports.md").write_text(text)
    at = text.rindex("19530")
    path = tmp_path / "places.jsonl"
    path.write_text(json.dumps({"question": "Two: port", "file": "ports.md", "start": at, "end": at + 5}))
    answer = json.loads(_run(path, "--docs", docs, "--json", "--expand", 1))
    assert answer["results"][0]["ranks"] == [1]
    assert answer["results"][0]["measures"]["evidence"] == 1.0
