"""`milvus-rag chat` and `ask --continue`: a conversation in the terminal."""

import io
import json
import os
import pty
import select
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.conftest import Run
from milvus_rag.cli.kept_conversation import KeptConversation
from support.cli import Ran
from support.openai_server import OpenAIServer
from support.waiting import PATIENCE_SECONDS, wait_until

FIRST = "Where is metadata stored?"
FOLLOW_UP = "And where is data?"
# Without its blank, over which the editor moves the cursor.
PROMPT = ">"


@pytest.fixture
def say(run: Run, docs: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    run("index", docs)

    def typed(*lines: str, options: tuple[str, ...] = ()) -> Ran:
        monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        return run("chat", *options)

    return typed


def test_a_question_goes_on_with_those_before_it(say: Callable[..., Ran]) -> None:
    ran = say(FIRST, "", "Is it in object storage too?")

    assert ran.exit_code == 0
    assert "stored in etcd" in ran.stdout
    assert "Searching for: Is it in object storage too? (metadata stored)" in ran.stderr


def test_what_is_no_utf_8_is_answered_too(say: Callable[..., Ran]) -> None:
    # As the terminal's bytes come where they are none.
    ran = say("Where is metadata stored \udcff\udcfe?", FOLLOW_UP)
    assert ran.exit_code == 0
    assert "stored in etcd" in ran.stdout


def test_sources_new_model_and_help(say: Callable[..., Ran]) -> None:
    ran = say(
        "/sources", FIRST, "/sources", "/model", "/model local", "/new", "/sources", "And why?", "/help", "/nothing"
    )

    assert ran.exit_code == 0
    assert ran.stderr.count("no answer yet that has sources") == 2
    assert ran.stdout.count("Sources:") >= 2
    assert "[1]\n" in ran.stdout
    assert "local answers. /model SPEC" in ran.stderr
    assert "local answers from now on." in ran.stderr
    # After /new there is nothing to go on with.
    assert "Searching for" not in ran.stderr
    assert "Ctrl-C stops an answer" in ran.stdout
    assert "There is no /nothing." in ran.stderr


def test_what_fails_does_not_end_it(say: Callable[..., Ran]) -> None:
    ran = say("/model nobody", "/model fireworks", "/exit", FIRST)

    assert ran.exit_code == 0
    assert "Error: There is no provider" in ran.stderr or "nobody" in ran.stderr
    assert "FIREWORKS_API_KEY" in ran.stderr
    assert ran.stdout == ""


def test_ask_goes_on_with_the_last_conversation_of_the_folder(run: Run, docs: Path, tmp_path: Path) -> None:
    run("index", docs)
    run("ask", FIRST)
    went_on = run("ask", "Is it in object storage too?", "--continue", "--json")
    anew = run("ask", "Is it in object storage too?", "--json")

    assert json.loads(went_on.stdout)["search_question"] == "Is it in object storage too? (metadata stored)"
    assert "search_question" not in json.loads(anew.stdout)
    (kept,) = (tmp_path / ".state" / "milvus-rag" / "conversations").iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert [role for role, _ in json.loads(kept.read_text("utf-8"))] == ["human", "ai"]


def test_one_that_cannot_be_kept_or_read_is_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    KeptConversation(tmp_path / "file" / "a.json").write([("human", "Hi")])
    assert KeptConversation(tmp_path / "missing.json").read() == []
    assert caplog.text == ""
    for broken in ("{", "[1]", "\udcff"):
        path = tmp_path / "broken.json"
        path.write_bytes(broken.encode("utf-8", "surrogateescape"))
        assert KeptConversation(path).read() == []
    assert caplog.text.count("cannot be read") == 3


class TestCitations:
    def test_the_answer_cites_and_the_tutorials_prompts_are_a_word_away(
        self, run: Run, docs: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run("index", docs)
        with OpenAIServer(answer=lambda *_: "Metadata is stored in etcd [1][9].") as server:
            monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
            monkeypatch.setenv("OPENAI_API_KEY", "test-key-openai")
            cited = run("ask", FIRST, "--llm", "openai")
            plain = run("ask", FIRST, "--llm", "openai", "--no-citations")
            asked = [request.body["messages"] for request in server.requests]

        assert cited.stdout.startswith("Metadata is stored in etcd [1].\n")
        assert "square brackets" in asked[0][1]["content"]
        assert "Cited in words" not in cited.stdout
        assert plain.stdout.startswith("Metadata is stored in etcd [1][9].\n")
        assert "square brackets" not in asked[1][1]["content"]

    def test_one_in_other_words_or_none_is_said(self, run: Run, docs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        run("index", docs)
        for reply, what in (("Whales sing in choirs [1].", "Cited in words"), ("I do not know.", "cites none")):
            with OpenAIServer(answer=lambda *_, reply=reply: reply) as server:
                monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
                monkeypatch.setenv("OPENAI_API_KEY", "test-key-openai")
                assert what in run("ask", FIRST, "--llm", "openai").stdout


@pytest.mark.skipif(sys.platform == "win32", reason="has no terminals of this kind")
def test_in_a_terminal_ctrl_c_stops_the_answer_and_ctrl_d_ends(run: Run, docs: Path) -> None:
    run("index", docs)
    with OpenAIServer(delay=10 * PATIENCE_SECONDS) as server:
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [Path(sys.executable).with_name("milvus-rag"), "chat", "--llm", "openai"],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={
                **os.environ,
                "OPENAI_BASE_URL": server.base_url,
                "OPENAI_API_KEY": "test-key-openai",
                "TERM": "xterm",
            },
            start_new_session=True,
        )
        os.close(theirs)
        try:
            shown = _Screen(ours)
            shown.wait_for("/help lists")
            shown.wait_for(PROMPT)
            os.write(ours, b"Where is metadata stored?\r")
            wait_until(lambda: server.requests, "the model was never asked")
            process.send_signal(signal.SIGINT)
            shown.wait_for("Stopped.")
            shown.wait_for(PROMPT)
            os.write(ours, b"/help\r")
            shown.wait_for("Ctrl-C stops an answer")
            # Before it, Ctrl-D is a matter of the terminal, which has nobody to give it to.
            shown.wait_for(PROMPT)
            os.write(ours, b"\x04")
            shown.drain()
            assert process.wait(PATIENCE_SECONDS) == 0
        finally:
            process.kill()
            process.wait()
            os.close(ours)


class _Screen:
    """What a program writes to a terminal."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self._seen = ""

    def wait_for(self, text: str) -> None:
        """Read on until after this text."""
        while text not in self._seen:
            piece = self._read()
            assert piece, self._seen
            self._seen += piece
        self._seen = self._seen.partition(text)[2]

    def drain(self) -> None:
        while self._read():
            pass

    def _read(self) -> str:
        # Nothing that is shown takes as long: without this, a program that is stuck would hold up the test for ever.
        if not select.select([self._terminal], [], [], PATIENCE_SECONDS)[0]:
            return ""
        try:
            return os.read(self._terminal, 4096).decode("utf-8", "replace")
        except OSError:
            # The other end is closed.
            return ""
