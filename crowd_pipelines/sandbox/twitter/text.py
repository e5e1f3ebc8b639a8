"""Words for names and posts; a number always makes the same text."""

import zlib


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


WORDS = _words(
    """
    amber anchor basket beacon bridge candle canvas cedar clock cloud coral corner desert ember fabric falcon feather
    forest garden glacier harbor hazel island ivory jasmine kettle lantern lemon marble meadow mirror needle ocean olive
    orchard paper pebble pepper planet pocket quartz ribbon river saddle silver spark stone summer thunder timber tunnel
    valley velvet walnut willow winter yellow
    """
)
PLACES = (None, "Oslo", "São Tomé", None, "東京", "Łódź", "on the move 🚲", None, "Cork, Ireland", "Nairobi")
ODD_NAMES = (
    'Ida "Quick" \\:/ Stone',
    "🦊✨ Fox 🏳️‍🌈",
    "مطوّر",
    "\u202edesrever",
    "X",
    "<b>Bold</b> & <script>alert(1)</script>",
    "O'Hara; DROP TABLE members;--",
    "   ",
    "Z̴̧̛a̵l̶g̸o̷",
    "null",
    "N" * 50,
)
_ENDINGS = (
    "",
    "",
    "",
    " 🎉",
    " 👩‍👩‍👧 wörks",
    " a &lt; b &amp;&amp; c",
    " https://t.co/{0:x}",
    " 日本語のテスト",
    " &amp;amp;",
)


def number_of(*parts: object) -> int:
    return zlib.crc32("/".join(map(str, parts)).encode())


def words(number: int, count: int) -> str:
    step = 2 * (number % 29) + 1
    return " ".join(WORDS[(number + place * step + place * place) % len(WORDS)] for place in range(count))


def sentence(number: int) -> str:
    """Up to some 200 characters as X delivers them: &, < and > escaped."""
    return words(number, 4 + number % 18).capitalize() + "." + _ENDINGS[number % len(_ENDINGS)].format(number)


def person_name(number: int) -> str:
    return words(number, 2).title()


def username(place: int) -> str:
    """At most 15 characters, some of exactly that many."""
    name = f"{WORDS[place % len(WORDS)][:7]}_{place}"
    return name.ljust(15, "x") if place % 17 == 0 else name
