"""Text analysis of all scripts: marks, apostrophes, forms of a character; each Snowball language by its inflections."""

import unicodedata
from pathlib import Path

import pytest

from milvus_rag import open_store
from milvus_rag.errors import InputError
from milvus_rag.text_analysis import analyse, check_language, languages, stop_words_of

# Forms of one word, of which each is to find the other.
INFLECTED = {
    "arabic": ("كتاب", "الكتاب"),
    "armenian": ("քաղաք", "քաղաքներ"),
    "basque": ("etxe", "etxeak"),
    "catalan": ("pàgina", "pàgines"),
    "czech": ("hrad", "hradu"),
    "danish": ("huset", "husene"),
    "dutch": ("boek", "boeken"),
    "dutch_porter": ("boek", "boeken"),
    "english": ("stored", "storing"),
    "esperanto": ("libro", "librojn"),
    "estonian": ("raamat", "raamatud"),
    "finnish": ("talo", "talossa"),
    "french": ("donnée", "données"),
    "german": ("Haus", "Häuser"),
    "greek": ("βιβλία", "βιβλίου"),
    "hindi": ("किताबें", "किताबों"),
    "hungarian": ("ház", "házak"),
    "indonesian": ("buku", "bukunya"),
    "irish": ("cathair", "gcathair"),
    "italian": ("libro", "libri"),
    "lithuanian": ("namas", "namai"),
    "nepali": ("किताब", "किताबहरू"),
    "norwegian": ("hus", "husene"),
    "persian": ("کتاب", "کتابها"),
    "polish": ("książka", "książki"),
    "porter": ("stored", "storing"),
    "portuguese": ("página", "páginas"),
    "romanian": ("pagini", "paginile"),
    "russian": ("данные", "данных"),
    "serbian": ("kuća", "kuće"),
    "sesotho": ("ruta", "rutang"),
    "spanish": ("página", "páginas"),
    "swedish": ("hus", "husen"),
    "tamil": ("புத்தகம்", "புத்தகங்கள்"),
    "turkish": ("kitap", "kitaplar"),
    "yiddish": ("טיש", "טישן"),
}


@pytest.mark.parametrize("language", sorted({*languages(), *INFLECTED} - {"none"}))
def test_inflected_forms_of_every_language_are_one_term(language: str) -> None:
    one, other = INFLECTED.get(language, ("", ""))

    assert analyse(one, language) == analyse(other, language)
    assert len(analyse(one, language)) == 1


@pytest.mark.parametrize("language", ["klingon", "", "English", "en"])
def test_an_unknown_language_is_refused_with_all_that_are_known(language: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no text analysis for the language") as raised:
        check_language(language)

    assert repr(language) in str(raised.value)
    assert all(name in str(raised.value) for name in languages())
    with pytest.raises(InputError):
        open_store(str(tmp_path / "store.db"), language=language)


def test_a_language_without_a_list_of_stop_words_keeps_all_words() -> None:
    assert stop_words_of("esperanto") == frozenset()
    assert len(analyse("la domo", "esperanto")) == 2


class TestApostrophes:
    @pytest.mark.parametrize("text", ["user's", "users'", "USER'S", "user\u2019s"])
    def test_a_possessive_is_the_word(self, text: str) -> None:
        assert analyse(text) == ["user"]

    @pytest.mark.parametrize("text", ["don't", "DON'T", "it\u2019s", "won't they've I'm"])
    def test_a_contraction_of_stop_words_is_one(self, text: str) -> None:
        assert analyse(text) == []

    @pytest.mark.parametrize(
        ("language", "text", "word"),
        [
            ("french", "l'utilisateur", "utilisateurs"),
            ("french", "qu\u2019homme", "homme"),
            ("italian", "dell'utente", "utenti"),
            ("catalan", "l'usuari", "usuari"),
        ],
    )
    def test_an_elided_article_does_not_hide_the_word(self, language: str, text: str, word: str) -> None:
        assert set(analyse(word, language)) <= set(analyse(text, language))

    def test_a_name_is_found_whole_and_by_part(self) -> None:
        assert {"oreilly", *analyse("Reilly")} <= set(analyse("O'Reilly"))


class TestMarks:
    """Vowel signs and accents that are characters of their own."""

    def test_they_do_not_cut_a_word(self) -> None:
        assert analyse("नमस्ते", "none") == ["नमस्ते"]
        assert analyse("கணினி", "none") == ["கணினி"]
        assert analyse("مُسْتَوْدَع", "none") == ["مُسْتَوْدَع"]

    def test_stop_words_and_stems_apply_to_words_with_them(self) -> None:
        assert analyse("आप की किताबों", "hindi") == analyse("किताब", "hindi")
        assert analyse("كِتَابٌ", "arabic") == analyse("كتاب", "arabic")

    def test_one_without_a_letter_is_no_word(self) -> None:
        assert analyse("\u0301 \u0301a", "none") == ["a"]


class TestFormsOfACharacter:
    def test_composed_and_decomposed(self) -> None:
        for text in ("étude naïve", "데이터를 저장", "प्रश्न", "ﾃﾞｰﾀ"):
            assert analyse(unicodedata.normalize("NFD", text), "none") == analyse(
                unicodedata.normalize("NFC", text), "none"
            )

    def test_width_ligatures_and_circled_numbers(self) -> None:
        assert analyse("\ufb01le \u2460\uff12") == ["file", "12"]
        assert analyse("ﾃﾞｰﾀ") == analyse("データ")

    def test_case(self) -> None:
        assert analyse("STORED Étude ДАННЫЕ", "none") == analyse("stored étude данные", "none")


class TestNumbersAndVersions:
    @pytest.mark.parametrize(
        ("text", "term"),
        [
            ("v2.4.1", "v241"),
            ("2.4.1", "241"),
            ("19530", "19530"),
            ("3.14", "314"),
            ("1000s", "1000s"),
            ("IVF_SQ8", "sq8"),
        ],
    )
    def test_they_are_terms(self, text: str, term: str) -> None:
        assert term in analyse(f"since {text}.")

    def test_one_version_is_told_from_another(self) -> None:
        assert "v241" not in analyse("v2.4.2")
        assert set(analyse("v2.4.1")) & set(analyse("v2.4.2"))


def test_no_term_is_cut_or_lost_on_its_way_through_milvus_lite(tmp_path: Path) -> None:
    """Its own tokenizer cuts words at marks, and takes Chinese apart."""
    texts = ["नमस्ते", "数据库", "데이터", "Étude", "كتاب", "x2", "v2.4.1", "ไทย", "a" * 300]
    with open_store(str(tmp_path / "scripts.db"), language="none") as store:
        store.add_texts(texts)

        assert {text: [d.page_content for d, _ in store.search_full_text(text, 9)] for text in texts} == {
            text: [text] for text in texts
        }
