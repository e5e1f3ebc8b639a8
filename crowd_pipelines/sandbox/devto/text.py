"""Words for names, titles and bodies; a number always makes the same text."""

import zlib


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


WORDS = _words(
    """
    async await build cache change check cloud code commit compile config data debug deploy design
    docs driver edge error event fix flow format framework function graph hash index input issue
    join kernel layer library limit link list log loop merge metric migration module network node
    notes object output parser patch path pattern pipeline platform plugin process query queue
    random reader release request review route runtime sample schema script search server session
    shell signal slice socket source stack state stream string style switch syntax table tag task
    terminal test thread token tool trace tree type update upload value vector version view widget
    window worker
    """
)
COLOURS = _words(
    """
    amber azure coral cyan ivory jade lilac mint ochre olive plum ruby sepia teal umber violet
    """
)
ANIMALS = _words(
    """
    badger crane dingo egret finch gecko heron ibis koala lemur marten newt otter puffin quail raven
    """
)
PLACES = (None, "Lisbon", "São Paulo", "東京", "Łódź", "Remote 🌍", "", "New York, NY", "Reykjavík", None)

ODD_NAMES = (
    'Ira "Tanna" \\:/ West',
    "🦀🎉 Crab 🏳️‍🌈",
    "مطوّر ويب",
    "\u202edesrever",
    "X",
    "<b>Bold</b> & <script>alert('name')</script>",
    "O'Brien; DROP TABLE members;--",
    "  spaces   around  ",
    "Z̴̧̛a̵l̶g̸o̷",
    "a\u200bb\u00adc",
    "null",
    "N" * 200,
)


def words(number: int, count: int) -> list[str]:
    step = 2 * (number % 53) + 1
    return [WORDS[(number + i * step + i * i) % len(WORDS)] for i in range(count)]


def title(seed: int, number: int) -> str:
    value = zlib.crc32(f"title/{seed}/{number}".encode())
    return " ".join(words(value, 3 + value % 5)).capitalize() + ("?" if value % 7 == 0 else "")


def description(seed: int, number: int) -> str:
    value = zlib.crc32(f"description/{seed}/{number}".encode())
    return " ".join(words(value, 12 + value % 9)).capitalize() + "..."


def slug(heading: str, number: int) -> str:
    kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in heading.lower())
    return f"{kept.strip('-')[:60]}-{number:x}"


def person_name(number: int) -> str:
    return f"{COLOURS[number % 16].capitalize()} {ANIMALS[number // 16 % 16].capitalize()}"


def username(number: int) -> str:
    return f"{COLOURS[number % 16]}_{ANIMALS[number // 16 % 16]}_{number}"


def comment_body(seed: int, number: int) -> str:
    """A short HTML body, some with code, entities, links, mentions or emoji."""
    value = zlib.crc32(f"comment/{seed}/{number}".encode())
    sentence = " ".join(words(value, 4 + value % 25)).capitalize() + "."
    return f"<p>{sentence}{_ENDINGS[value % len(_ENDINGS)]}</p>\n\n"


_ENDINGS = (
    "",
    "",
    "",
    " 🎉",
    ' <a class="mentioned-user" href="https://dev.to/ben">@ben</a>',
    " <code>a &lt; b &amp;&amp; c</code>",
    '</p>\n\n<div class="highlight"><pre><code><span class="k">pass</span>\n</code></pre></div>\n\n<p>',
    ' <a href="https://example.com/?a=1&amp;b=2" rel="noopener noreferrer">example.com</a>',
)
