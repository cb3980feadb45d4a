"""What tells, language by language, that a question goes on with another one."""

# ruff: noqa: RUF001 - Cyrillic letters are meant

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class FollowUpWords:
    """Of one language.

    Attributes:
        openers: How it begins.
        pointers: Words that stand for something said before.
        alone: What looks like a pointer and is none, or asks for a definition. A pattern.
        verb: A pattern whose group is the verb of a question.
        general: Words that are said of anything: a question of such words alone has its subject elsewhere.
        fillers: Words of a question that are no part of its subject, beside the stop words.
    """

    openers: tuple[str, ...]
    pointers: frozenset[str]
    alone: str = r"(?!)"
    verb: str = r"(?!)"
    general: frozenset[str] = frozenset()
    fillers: frozenset[str] = frozenset()


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


WORDS: Final[Mapping[str, FollowUpWords]] = {
    "english": FollowUpWords(
        openers=(
            "and", "but", "or", "also", "so", "then", "what about", "how about", "what if", "what else", "why not",
            "in that case", "if so", "if not", "otherwise", "instead",
        ),
        pointers=_words(
            "it its itself they them their theirs this that these those he him his she her hers such same former latter"
        ),
        alone=(
            r"\b(?:is|was|does|do|would|will|can|could|should|makes?|find|found|think)\s+it\s+(?:be\s+)?"
            r"(?:\w+ly\s+)?(?:possible|necessary|needed|required|safe|ok|okay|true|fine|good|bad|better|best|worth|hard|"
            r"easy|allowed|recommended|matter|make\s+sense|take|mean\s+(?:when|if|that|to))\b"
            r"|\b(?:so|such|now|given|provided|ensure|means?|sure|know|say|says|tell|error)\s+that\b"
            r"|\bthat\s+is\s+to\s+say\b|\bthe\s+same\b"
        ),
        verb=(
            r"\b(?:(?:do|does|did|can|could|should|would|will|may|must)\s+(?:i|we|you|one|people|they|he|she)"
            r"|how\s+to|want\s+to|need\s+to|able\s+to)\s+(?:\w+ly\s+)?(\w+)"
        ),
        general=_words(
            "advantage advantages benefit benefits change changed choose cost costs default defaults difference "
            "disable disadvantage drawback drawbacks enable example examples find fast first get go happen "
            "happens help kind kinds large last limit limits long make many maximum mean means minimum much need "
            "needed next number option options parameter parameters possible price purpose quick reason reasons "
            "recommended require required requirement requirements right safe second set size slow start step "
            "steps stop support supported syntax take takes thing third time type types use used using value "
            "values way ways work works"
        ),
        fillers=_words("may might many much shall let please tell show happen happens use used using become became"),
    ),
    "german": FollowUpWords(
        openers=("und", "aber", "oder", "auch", "dann", "was ist mit", "wie sieht es mit", "wie ist es mit", "sonst"),
        pointers=_words(
            "er es sie ihn ihm ihr ihnen dessen deren dies diese dieser dieses diesen diesem das dort dazu davon damit "
            "darin dafür dagegen jene jener jenes solche solcher"
        ),
        alone=r"\b(?:ist|wird|geht|wäre)\s+es\s+(?:\w+\s+)?(?:möglich|nötig|sicher|erlaubt|sinnvoll|empfohlen)\b",
    ),
    "french": FollowUpWords(
        openers=("et", "mais", "ou", "alors", "aussi", "sinon", "qu'en est-il"),
        pointers=_words("il elle ils elles lui leur leurs ce cet cette ces celui celle ceux celles ça cela y en"),
        alone=r"\b(?:est-il|il\s+est)\s+(?:possible|nécessaire|permis|recommandé)\b|\b(?:est-ce|qu'est-ce)\b|\bil\s+y\s+a\b",
    ),
    "spanish": FollowUpWords(
        openers=("y", "pero", "o", "entonces", "también", "qué pasa con", "si no"),
        pointers=_words(
            "él ella ello ellos ellas lo le les este esta esto estos estas ese esa eso esos esas aquel aquella"
        ),
        alone=r"\blo\s+que\b",
    ),
    "italian": FollowUpWords(
        openers=("e", "ma", "o", "allora", "anche", "e se"),
        pointers=_words("esso essa essi esse lo li gli questo questa questi queste quello quella quelli quelle ciò ne"),
    ),
    "portuguese": FollowUpWords(
        openers=("e", "mas", "ou", "então", "também", "e se"),
        pointers=_words("ele ela eles elas isso isto aquilo este esta estes estas esse essa esses essas disso nisso"),
    ),
    "dutch": FollowUpWords(
        openers=("en", "maar", "of", "dan", "ook", "hoe zit het met"),
        pointers=_words("het hij zij ze hem hen hun dit dat deze die daar ervan erin ermee daarmee daarvan"),
        alone=r"\b(?:is|wordt)\s+het\s+(?:mogelijk|nodig|veilig|aanbevolen)\b",
    ),
    "russian": FollowUpWords(
        openers=("а", "и", "но", "или", "тогда", "также"),
        pointers=_words("он она оно они его её ее их ему ей им это этот эта эти этого этой тот та те того такой"),
    ),
}  # fmt: skip
CJK_OPENERS = ("那", "那么", "还有", "如果", "而", "では", "じゃあ", "それで", "그럼", "그러면", "그리고")
CJK_POINTERS = (
    "它", "他们", "她", "这个", "那个", "这些", "那些", "这", "该", "それ", "これ", "あれ", "その", "この", "그것",
    "그건", "그걸", "이것", "이건", "이걸", "그게", "이게",
)  # fmt: skip
# What asks, and says nothing of what is asked about.
CJK_ASKING = re.compile(
    "什么是|是什么|什么|如何|怎么样|怎么|怎样|为什么|哪些|哪个|多少|とは何ですか|とは|どうやって|なぜ|何|어떻게|무엇인가요|무엇|왜"
)
DEFINITION = re.compile(
    r"^\W*(?:what(?:'s|\u2019s|\s+is|\s+are|\s+was|\s+were|\s+does)|who(?:'s|\s+is|\s+are)|define|explain|describe"
    r"|was\s+(?:ist|sind)|qu'est-ce\s+qu|qué\s+(?:es|son)|che\s+cos|cos'|o\s+que\s+(?:é|são)|wat\s+(?:is|zijn)"
    r"|что\s+такое)",
    re.IGNORECASE,
)
