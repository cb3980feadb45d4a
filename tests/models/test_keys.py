"""Keys that no header can carry are refused by name; no form of a key is ever shown, and ordinary words stay."""

import base64
import json
import re
import traceback
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from milvus_rag.errors import AuthenticationError, InputError
from milvus_rag.models.chat import chat_model
from milvus_rag.models.embeddings import embedding_model
from milvus_rag.models.providers.keys import checked_key, masked, shows
from milvus_rag.models.rerankers import reranker
from support.faults import unauthorized
from support.openai_server import OpenAIServer

KEY = "sk-9f/+\"'\\x&y<z=%zW8"
# The one word that is no secret and as long as one.
NO_KEY = "sk-no-key-required"
PRINTABLE = st.characters(min_codepoint=0x21, max_codepoint=0x7E)


class TestABrokenKey:
    @pytest.mark.parametrize(
        ("inside", "named"),
        [
            ("\n", "a line break"),
            ("\r\n", "a line break"),
            (" ", "a blank"),
            ("\t", "a tab"),
            ("\x00", "a control character"),
            ("\u200c", "zero width non-joiner"),
            ("\ufeff", "a byte order mark"),
            ("\u2013", "en dash"),
            ("ключ", "cyrillic small letter ka"),
        ],
    )
    @pytest.mark.parametrize("make", [chat_model, embedding_model], ids=["chat", "embeddings"])
    @pytest.mark.parametrize("provider", ["gemini", "fireworks", "openai", "openrouter"])
    def test_is_refused_where_it_enters(self, make, provider: str, inside: str, named: str) -> None:
        with pytest.raises(InputError, match=f"character 7 of .* is {named}") as caught:
            make(f"{provider}:m", api_key=f"SECRET{inside}more", base_url="http://127.0.0.1:1")
        assert "SECRET" not in f"{caught.value} {caught.value!r}"

    @pytest.mark.parametrize("variable", ["GEMINI_API_KEY", "GOOGLE_API_KEY"])
    def test_is_named_by_its_variable(self, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv(variable, "two\nlines")
        with pytest.raises(InputError, match=f"in {variable} cannot"):
            chat_model("gemini")

    def test_of_a_reranker_too(self) -> None:
        with pytest.raises(InputError, match="a line break"):
            reranker("jina", api_key="two\nlines")

    def test_blanks_around_it_are_no_part_of_it(self) -> None:
        assert checked_key(" \n sk-1 \r\n", where="X").get_secret_value() == "sk-1"

    @given(st.text(alphabet=PRINTABLE, min_size=1))
    def test_every_printable_ascii_is_one(self, key: str) -> None:
        assert checked_key(key, where="X").get_secret_value() == key


class TestMasking:
    @pytest.mark.parametrize(
        "form",
        [
            KEY,
            repr(KEY),
            json.dumps({"key": KEY}),
            json.dumps(json.dumps(KEY)),
            f"https://host/?key={quote(KEY, safe='')}&x=1",
            f"https://host/?key={quote_plus(KEY)}",
            f"/keys/{quote(KEY)}",
            re.sub("%..", lambda found: found[0].lower(), quote(KEY, safe="")),
            base64.b64encode(KEY.encode()).decode(),
            base64.urlsafe_b64encode(KEY.encode()).decode().rstrip("="),
            *(base64.b64encode(f"{'u' * size}:{KEY}".encode()).decode() for size in range(4)),
            base64.b64encode(f"{KEY}:".encode()).decode(),
            f"b'Bearer {KEY}'",
        ],
    )
    def test_every_printed_form(self, form: str) -> None:
        shown = masked(f"before {form} after", SecretStr(KEY))
        assert shown.startswith("before ")
        assert shown.endswith(" after")
        assert "***" in shown
        assert shows(form, SecretStr(KEY))

    @given(st.text(alphabet=PRINTABLE, min_size=16, max_size=80).filter(lambda key: key.lower() != NO_KEY))
    def test_any_key(self, key: str) -> None:
        for form in (key, repr(key), quote(key, safe=""), quote(key), json.dumps(key)):
            assert key not in masked(f"x{form}y", SecretStr(key))
        encoded = base64.b64encode(f"user:{key}".encode()).decode()
        assert encoded[12:-4] not in masked(encoded, SecretStr(key)) or len(encoded[12:-4]) < 8

    @pytest.mark.parametrize(
        "key", ["k", "x1", "ollama", "EMPTY", "none", "lm-studio", "not-needed", "Dummy", "", NO_KEY.upper()]
    )
    def test_a_word_is_no_secret(self, key: str) -> None:
        text = "ollama broke off: tokens, EMPTY, none of lm-studio is not-needed, Dummy x1"
        assert masked(text, SecretStr(key)) == text

    def test_a_short_key_is_taken_out_as_a_word_only(self) -> None:
        assert masked("abc12 in abc123 and xabc12", SecretStr("abc12")) == "*** in abc123 and xabc12"

    def test_without_a_key_nothing_is_masked(self) -> None:
        assert masked("sk-1234567890", None) == "sk-1234567890"
        assert not shows("sk-1234567890", None)

    @pytest.mark.parametrize("form", [repr, lambda key: base64.b64encode(key.encode()).decode(), quote_plus])
    def test_in_an_error_with_its_causes(self, form) -> None:
        key = "sk-q7/Zr+5'n\\Tt8w2"
        with OpenAIServer(key=key) as server:
            server.fail_always(unauthorized(f"No such key: {form(key)}"))
            with pytest.raises(AuthenticationError) as caught:
                chat_model("openai:m", base_url=server.base_url, api_key=key).invoke("q")
        shown = "".join(traceback.format_exception(caught.value))
        assert form(key).strip("'\"") not in shown
        assert "No such key: " in str(caught.value)
        assert "***" in str(caught.value)

    def test_a_word_as_key_leaves_the_address_readable(self) -> None:
        with OpenAIServer(key="ollama") as server:
            server.fail_always(unauthorized("ollama does not know you"))
            with pytest.raises(AuthenticationError, match="ollama does not know you"):
                chat_model("openai:ollama", base_url=server.base_url, api_key="ollama").invoke("q")
