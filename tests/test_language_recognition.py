"""The language of texts, as full-text search knows languages, from pages that also hold code and English names."""

import random
import subprocess
import sys

import pytest

from milvus_rag.language_recognition import foreign_language, language_beside, recognised_language
from milvus_rag.markdown.plain_text import prose_of
from milvus_rag.text_analysis import languages
from support.language_pages import ENGLISH, STEMMED, UNSTEMMED

SPANISH, GERMAN, CHINESE = STEMMED["spanish"], STEMMED["german"], UNSTEMMED["chinese"]


def recognised(*pages: str) -> str:
    return recognised_language(prose_of(page) for page in pages)


class TestOneLanguage:
    @pytest.mark.parametrize("language", STEMMED)
    def test_with_a_stemmer_is_told(self, language: str) -> None:
        assert recognised(STEMMED[language]) == language
        assert language in languages()

    @pytest.mark.parametrize("language", UNSTEMMED)
    def test_without_a_stemmer_has_no_stems(self, language: str) -> None:
        assert recognised(UNSTEMMED[language]) == "none"

    def test_english_is_english(self) -> None:
        assert recognised(ENGLISH) == "english"

    def test_is_told_of_short_pages_by_all_of_them(self) -> None:
        """None of them would be enough."""
        sentences = ["Elija el disco.", "Espere un momento.", "Guarde la copia.", "Apague el motor.", "Abra la puerta."]
        assert recognised(sentences[0]) == "english"
        assert recognised(*(f"# {sentence}\n" for sentence in sentences * 2)) == "spanish"

    def test_names_of_products_do_not_hide_it(self) -> None:
        assert recognised(CHINESE, "在 Milvus 中使用 Collection 和 Index 加快 Vector Search 的速度。") == "none"

    def test_does_not_depend_on_the_order(self) -> None:
        pages = [SPANISH] * 8 + [ENGLISH] * 2
        for seed in range(5):
            random.Random(seed).shuffle(pages)  # noqa: S311 - test data
            assert recognised(*pages) == "spanish"


class TestUnsure:
    @pytest.mark.parametrize(
        "pages",
        [
            (),
            ("",),
            ("# Hola\n",),
            ("```\nla casa de la calle\n```\n" * 20,),
            ("12 34 56 · 78 %\n" * 50,),
            ("https://example.com/la-casa-de-la-calle\n" * 20,),
            ("kubectl get pods, helm install, docker compose up, nginx TLS gRPC REST SDK CLI API JSON YAML\n" * 3,),
            ("\udcff\ud800 " * 100,),
        ],
        ids=["nothing", "empty", "short", "code", "numbers", "addresses", "commands", "no characters"],
    )
    def test_is_english(self, pages: tuple[str, ...]) -> None:
        assert recognised(*pages) == "english"

    @pytest.mark.parametrize("others", [(SPANISH,), (CHINESE,), (GERMAN, SPANISH), tuple(STEMMED.values())])
    def test_is_mixed(self, others: tuple[str, ...]) -> None:
        assert recognised(*others, *[ENGLISH] * len(others)) == "english"

    def test_is_mixed_without_english_too(self) -> None:
        assert recognised(SPANISH, GERMAN, STEMMED["french"]) == "english"

    def test_a_page_in_two_languages_is_mixed(self) -> None:
        assert recognised(f"{SPANISH}\n{ENGLISH}") == "english"

    def test_some_of_another_language_is_not_mixed(self) -> None:
        assert recognised(*[ENGLISH] * 5, SPANISH) == "english"
        assert recognised(*[SPANISH] * 5, ENGLISH) == "spanish"


class TestProse:
    def test_has_no_code_front_matter_and_addresses(self) -> None:
        for page in (*STEMMED.values(), *UNSTEMMED.values()):
            prose = prose_of(page)
            assert not {"archive", "description", "restore", "newest", "example"} & set(prose.lower().split())
            assert "`" not in prose
            assert "example.com" not in prose

    def test_has_the_rest(self) -> None:
        prose = prose_of("# Uno\n\n- **dos** [tres](vier.md)\n\n> cuatro `fünf`\n\n| cinco | seis |\n|---|---|\n")
        assert prose.split() == ["#", "Uno", "-", "dos", "tres", "cuatro", "cinco", "seis"]


def test_english_loads_no_model() -> None:
    """It would take half a second and 90 MB of every first run."""
    code = (
        "import sys; from milvus_rag.language_recognition import recognised_language as recognised\n"
        "assert recognised([sys.argv[1]] * 9) == 'english' and 'py3langid' not in sys.modules\n"
        "assert recognised([sys.argv[2]] * 9) == 'spanish' and 'py3langid' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, prose_of(ENGLISH), prose_of(SPANISH)], check=True)


IN_ENGLISH = [
    "The nightly backup of the database is made at two o'clock, and whoever is on duty is told when it fails in the "
    "morning, or not at all."
]
IN_SPANISH = [
    "La copia de seguridad de la base de datos se hace cada noche a las dos, y quien esté de guardia lo sabe por la "
    "mañana a primera hora."
]


@pytest.mark.parametrize(
    ("question", "passages", "language"),
    [
        ("¿A qué hora se hace la copia de seguridad?", IN_ENGLISH, "Spanish"),
        ("¿A qué hora se hace la copia de seguridad?", IN_SPANISH, ""),
        ("At what time is the backup of the database made?", IN_SPANISH, "English"),
        ("At what time is the backup of the database made?", IN_ENGLISH, ""),
        ("备份是在什么时候进行的", IN_ENGLISH, "Chinese"),
        ("backup", IN_SPANISH, ""),
        ("restore --target ./data", IN_SPANISH, ""),
        ("¿A qué hora se hace la copia de seguridad?", ["Yes."], ""),
        ("¿A qué hora se hace la copia de seguridad?", [], ""),
    ],
)
def test_a_question_in_another_language_than_the_passages_is_told(
    question: str, passages: list[str], language: str
) -> None:
    assert foreign_language(question, passages, language="none") == language


def test_beside_a_collection_only_what_is_plainly_another_language_is_told() -> None:
    assert language_beside("¿A qué hora se hace la copia de seguridad?", "english") == "Spanish"
    assert language_beside("¿A qué hora se hace la copia de seguridad?", "spanish") == ""
    assert language_beside("¿A qué hora se hace la copia de seguridad?", "none") == ""
    assert language_beside("collection.drop()", "german") == ""
