"""Words for logins, titles and bodies; a number always makes the same text."""

import re
import zlib


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


WORDS = _words(
    """
    allocator argument assertion backend backport benchmark binary boundary branch buffer callback channel checksum
    client codec column command compiler config crash cursor deadlock decoder default dependency driver encoder engine
    exception executor export fallback fixture flag formatter handler header import index interface iterator latency
    leak linker linter loader locale lock macro manifest merge migration module mutex namespace offset overflow package
    parser payload pipeline plugin pointer policy pool proxy queue race refactor regression release retry runtime
    scheduler schema segfault serializer session shard signature snapshot socket stack stream struct symbol template
    thread timeout token trace transaction type upgrade validator variant version warning worker wrapper
    """
)
METALS = _words(
    """
    argent bismuth brass bronze chrome cobalt copper gold iridium iron nickel osmium pewter platinum silver zinc
    """
)
TREES = _words(
    """
    alder ash beech birch cedar elm fir hazel juniper larch linden maple oak pine rowan willow
    """
)
PLACES = (None, "Porto", "Zürich", "大阪", "Gdańsk", "the edge of the internet 🌐", "", "Austin, TX", "ꓘeith", None)
COMPANIES = (None, "@cedar-labs", "Pine & Sons GmbH", "", "@cedar-labs, @larch-tools", "  freelance ", None, "株式会社")

ODD_NAMES = (
    None,
    "",
    'Rowan "Root" O\'Hara; DROP TABLE members;--',
    "🦀🎉 Crab 🏳️‍🌈",
    "مطوّر ويب",
    "\u202edesrever",
    "<b>Bold</b> & <script>alert('name')</script>",
    "  spaces   around  ",
    "a\u200bb\u00adc",
    "null",
    "N" * 255,
)

_OPENINGS = ("Fix", "Add", "Remove", "Crash in", "Why is there a", "Support", "Document the", "Slow")
_ENDINGS = (
    "",
    "",
    "",
    " 🎉",
    " @ghost what do you think?",
    " See `a < b && c` and **bold words**.",
    "\n\n```python\nprint('<tag> & more')\n```\n\nThat is all.",
    " More at [the page](https://example.com/?a=1&b=2).",
    "\n\n> quoted before\n\nI agree.",
    "\n\n- one\n- two &amp; a half",
)


def words(number: int, count: int) -> list[str]:
    step = 2 * (number % 47) + 1
    return [WORDS[(number + place * step + place * place) % len(WORDS)] for place in range(count)]


def title(seed: int, number: int) -> str:
    value = zlib.crc32(f"title/{seed}/{number}".encode())
    return f"{_OPENINGS[value % len(_OPENINGS)]} {' '.join(words(value, 2 + value % 4))}"


def body(seed: int, number: int) -> str:
    """A few words of Markdown."""
    value = zlib.crc32(f"body/{seed}/{number}".encode())
    sentence = " ".join(words(value, 4 + value % 20)).capitalize() + "."
    return sentence + _ENDINGS[value % len(_ENDINGS)]


def plain(markdown: str) -> str:
    """The text that is left when the markup is dropped."""
    text = re.sub(r"^```\w*\n?|\*\*|`", "", markdown, flags=re.MULTILINE)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"^(> |- )", "", text, flags=re.MULTILINE)
    return text.replace("&amp;", "&").strip()


def html(markdown: str) -> str:
    escaped = plain(markdown).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f'<p dir="auto">{escaped}</p>' if escaped else ""


def person_name(number: int) -> str:
    return f"{METALS[number % 16].capitalize()} {TREES[number // 16 % 16].capitalize()}"


def login(number: int) -> str:
    return f"{METALS[number % 16]}-{TREES[number // 16 % 16]}-{number}"
