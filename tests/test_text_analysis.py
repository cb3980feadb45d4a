"""Text as search terms, and what that does for full-text search in Milvus Lite."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import snowballstemmer
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document

from milvus_rag import MarkdownLoader, MarkerSplitter, MilvusStore, milvus_retriever, open_store, sync
from milvus_rag.errors import InputError
from milvus_rag.text_analysis import analyse, languages, stop_words_of

Find = Callable[..., list[str]]


class TestEnglish:
    def test_words_are_stemmed(self) -> None:
        assert analyse("stored stores storing store") == ["store"] * 4

    def test_case_and_width_do_not_matter(self) -> None:
        assert analyse("MILVUS Milvus ＭＩＬＶＵＳ") == ["milvus"] * 3  # noqa: RUF001 - full-width letters are meant

    def test_stop_words_go(self) -> None:
        assert analyse("How is it that the data are in there?") == ["data"]
        assert analyse("Don't they? It's what you'd do.") == []

    def test_words_that_name_things_are_no_stop_words(self) -> None:
        assert analyse("index name system") == ["index", "name", "system"]

    def test_possessives_and_typographic_apostrophes(self) -> None:
        assert analyse("Milvus's user’s") == ["milvus", "user"]  # noqa: RUF001 - the apostrophe is meant

    def test_numbers_and_versions_are_not_stemmed(self) -> None:
        assert analyse("E1042 L2 65535") == ["e1042", "l2", "65535"]


class TestIdentifiers:
    """They are found whole and by part, however they are written."""

    @pytest.mark.parametrize(
        ("written", "terms"),
        [
            ("drop_collection", ["dropcollection", "drop", "collect"]),
            ("dropCollection()", ["dropcollection", "drop", "collect"]),
            ("DROP-COLLECTION", ["dropcollection", "drop", "collect"]),
            ("consistency_level", ["consistencylevel", "consist", "level"]),
            ("queryNode.gracefulTime", ["querynodegracefultime", "queri", "node", "grace", "time"]),
            ("HTTPServer", ["httpserver", "http", "server"]),
            ("IVF_SQ8", ["ivfsq8", "ivf", "sq8"]),
            ("milvus.yaml", ["milvusyaml", "milvus", "yaml"]),
        ],
    )
    def test_whole_and_parts(self, written: str, terms: list[str]) -> None:
        assert analyse(written) == terms

    def test_a_stop_word_inside_stays_in_the_whole(self) -> None:
        assert analyse("has_any_of") == ["hasanyof"]

    def test_the_end_of_a_sentence_is_no_part(self) -> None:
        assert analyse("Call flush(). Then load.") == ["call", "flush", "load"]


class TestChineseJapaneseKorean:
    def test_runs_become_overlapping_bigrams(self) -> None:
        assert analyse("向量数据库") == ["向量", "量数", "数据", "据库"]
        assert analyse("データ保存") == ["デー", "ータ", "タ保", "保存"]

    def test_a_single_character_is_a_term(self) -> None:
        assert analyse("值 a") == ["值"]

    def test_words_of_other_scripts_beside_them_stay_whole(self) -> None:
        assert analyse("Milvus는 IVF_FLAT을")[:1] == ["milvus"]
        assert "ivfflat" in analyse("IVF_FLAT을 씁니다")

    def test_a_changed_particle_leaves_the_noun(self) -> None:
        """The particle decides no more than one of the bigrams."""
        assert set(analyse("데이터를")) & set(analyse("데이터가")) == {"데이", "이터"}

    def test_the_language_does_not_matter(self) -> None:
        assert analyse("向量数据库", "german") == analyse("向量数据库", "none") == analyse("向量数据库")


class TestLanguages:
    @pytest.mark.parametrize("language", [name for name in languages() if name != "none"])
    def test_every_snowball_language_is_one(self, language: str) -> None:
        words = ("milvus", "indexing", "vectors", "nationalization", "книги", "bücher")
        stemmer = snowballstemmer.stemmer(language)

        assert analyse(" ".join(words), language) == [
            stemmer.stemWord(word) for word in words if word not in stop_words_of(language)
        ]

    @pytest.mark.parametrize(
        ("language", "one", "other"),
        [
            ("arabic", "الكتاب", "كتاب"),
            ("danish", "filerne", "filer"),
            ("dutch_porter", "vectoren", "vector"),
            ("finnish", "tiedostot", "tiedosto"),
            ("french", "vecteurs", "vecteur"),
            ("german", "Sammlungen", "Sammlung"),
            ("greek", "αρχεία", "αρχείο"),
            ("hindi", "किताबें", "किताब"),
            ("hungarian", "fájlok", "fájl"),
            ("italian", "vettori", "vettore"),
            ("portuguese", "arquivos", "arquivo"),
            ("romanian", "fișiere", "fișier"),
            ("russian", "векторами", "вектор"),
            ("spanish", "archivos", "archivo"),
            ("swedish", "filerna", "filer"),
            ("turkish", "dosyalar", "dosya"),
        ],
    )
    def test_inflected_forms_are_one_term(self, language: str, one: str, other: str) -> None:
        assert analyse(one, language) == analyse(other, language) != []

    @pytest.mark.parametrize(
        ("language", "question"),
        [
            ("french", "où est-ce que les données sont"),
            ("german", "wo sind die Daten"),
            ("spanish", "dónde están los datos"),
        ],
    )
    def test_each_has_its_own_stop_words(self, language: str, question: str) -> None:
        assert len(analyse(question, language)) < len(analyse(question, "none"))

    def test_none_is_words_as_they_are(self) -> None:
        assert analyse("The stored vectors", "none") == ["the", "stored", "vectors"]

    def test_an_unknown_one_is_refused_with_those_known(self) -> None:
        with pytest.raises(InputError, match=r"no text analysis for the language 'klingon'.*english.*none"):
            analyse("x", "klingon")


@given(st.text(max_size=200), st.sampled_from(["english", "none", "german"]))
def test_any_text_gives_terms_without_blanks(text: str, language: str) -> None:
    for term in analyse(text, language):
        assert term
        assert not any(character.isspace() for character in term)


@given(st.text("aBz09 '._-/:\n", max_size=60) | st.text(st.characters(max_codepoint=127), max_size=60))
def test_a_text_in_ascii_is_analysed_as_beside_other_characters(text: str) -> None:
    assert analyse(f"{text}\n世") == [*analyse(text), "世"]


@given(st.from_regex(r"[A-Za-z]{1,12}", fullmatch=True))
def test_a_word_is_analysed_as_beside_a_possessive(word: str) -> None:
    """Which is taken off, so the shorter way for a word of letters alone gives what the long one does."""
    assert analyse(f"{word}\u2019s") == analyse(word)


@given(st.text(max_size=80), st.text(max_size=80))
def test_lines_are_analysed_one_by_one(one: str, other: str) -> None:
    assert analyse(f"{one}\n\n{other}") == analyse(one) + analyse(other)


FAQ = """# Product FAQ

## Where does Milvus store data?

Milvus deals with inserted data and metadata. Inserted data are stored in object storage.

## How does Milvus flush data?

Milvus returns success when inserted data are loaded to the message queue.

## How can a collection be dropped?

Call `drop_collection`. Set `consistency_level` before that, and `queryNode.gracefulTime` too.

## Milvus는 데이터를 어디에 저장합니까?

삽입된 데이터는 오브젝트 스토리지에 저장됩니다.

## 数据存储在哪里?

插入的数据存储在对象存储中。
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusStore]:
    """The page above in Milvus Lite, cut as the tutorials do, without vectors."""
    folder = tmp_path_factory.mktemp("faq")
    with open_store(str(folder / "faq.db")) as opened:
        opened.add_documents(MarkerSplitter().split_documents([Document(FAQ, metadata={"source": "faq.md"})]))
        yield opened


@pytest.fixture
def find(store: MilvusStore) -> Find:
    """First lines of the chunks that match a question, the best first."""

    def search(question: str) -> list[str]:
        found = milvus_retriever(store, k=6).invoke(question)
        return [document.page_content.strip().split("\n")[0] for document in found]

    return search


class TestInMilvusLite:
    @pytest.mark.parametrize("word", ["stored", "storing", "stores", "STORE"])
    def test_a_stemmed_word_matches(self, find: Find, word: str) -> None:
        assert find(word) == ["Where does Milvus store data?"]

    def test_stop_words_do_not_decide(self, store: MilvusStore) -> None:
        retriever = milvus_retriever(store, k=6)

        assert retriever.invoke("And how is it that they flush what we have?") == retriever.invoke("flush")

    def test_a_question_of_stop_words_finds_nothing(self, find: Find) -> None:
        assert find("How can it be?") == []

    @pytest.mark.parametrize(
        "question",
        [
            "drop_collection", "dropCollection", "drop", "consistency_level", "consistency level", "level",
            "queryNode.gracefulTime", "gracefulTime", "graceful time", "queryNode",
        ],
    )  # fmt: skip
    def test_identifiers_are_found_whole_and_by_part(self, find: Find, question: str) -> None:
        assert find(question)[0] == "How can a collection be dropped?"

    @pytest.mark.parametrize("question", ["데이터가 어디에 저장되나요?", "데이터의 저장", "오브젝트 스토리지로"])
    def test_a_korean_page_is_found_with_a_particle_changed(self, find: Find, question: str) -> None:
        assert find(question)[0] == "Milvus는 데이터를 어디에 저장합니까?"

    def test_a_chinese_page_is_found(self, find: Find) -> None:
        assert find("对象存储") == ["数据存储在哪里?"]

    def test_the_language_is_remembered(self, tmp_path: Path) -> None:
        uri = str(tmp_path / "de.db")
        with open_store(uri, language="german") as german:
            german.add_texts(["Die Sammlungen liegen im Objektspeicher."])
        with open_store(uri) as reopened:
            assert reopened.language == "german"
            assert len(milvus_retriever(reopened).invoke("Sammlung")) == 1
            assert milvus_retriever(reopened).invoke("die im") == []

    def test_no_language_means_words_as_they_are(self, tmp_path: Path) -> None:
        with open_store(str(tmp_path / "none.db"), language="none") as plain:
            plain.add_texts(["It is stored there."])
            assert milvus_retriever(plain).invoke("store") == []
            assert len(milvus_retriever(plain).invoke("stored")) == 1
            assert len(milvus_retriever(plain).invoke("it")) == 1


@pytest.mark.shared
def test_the_tutorials_question_on_the_tutorials_chunks(milvus_docs: Path, tmp_path: Path) -> None:
    """72 chunks; the question says "stored", the passage "store", and both are full of stop words."""
    with open_store(str(tmp_path / "faq.db")) as store:
        report = sync(MarkdownLoader(milvus_docs, "en/faq/*.md"), MarkerSplitter(), store)
        found = milvus_retriever(store, mode="full_text", k=3).invoke("How is data stored in milvus?")
        store_only = milvus_retriever(store, mode="full_text", k=10).invoke("stored")

    assert report.added == 72
    assert any(chunk.page_content.startswith(" Where does Milvus store data?") for chunk in found)
    assert store_only
    assert any("stored" not in chunk.page_content.lower().split() for chunk in store_only)
