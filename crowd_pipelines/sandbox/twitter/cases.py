"""The nasty cases of the real API, in posts of the last days; `cases` in the truth names them."""

from collections.abc import Callable, Sequence
from typing import Any

from crowd_pipelines.sandbox.twitter.community import DAY, Community
from crowd_pipelines.sandbox.twitter.model import Person, Post, State

LONG = "Everything that does not fit into two hundred and eighty characters, " * 9


class CaseBook:
    """Writes posts some minutes apart, beginning two hours before the present."""

    def __init__(self, community: Community, people: Sequence[Person]) -> None:
        self.community = community
        self.people = people
        self.tag, self.other = community.hashtags[:2]
        self.name = f"@{community.people[community.account].username}"
        self._clock = community.now - 2 * 3_600

    def post(self, text: str, *, by: int = 0, at: int | None = None, **given: Any) -> Post:
        self._clock += 180
        author = self.people[-1 - by].id
        named, tags = self.name in text, tuple(tag for tag in (self.tag, self.other) if f"#{tag}" in text)
        post = Post(author=author, versions=[], names_account=named, tags=tags, **given)
        return self.community.publish(post, text, at=at or self._clock)

    def call(self, case: str, value: object) -> None:
        self.community.cases[case] = value


def build(community: Community, people: Sequence[Person]) -> None:
    book = CaseBook(community, people)
    for case in _CASES:
        case(book)


def _authors_not_shown(book: CaseBook) -> None:
    suspended, deleted = book.people[-2], book.people[-3]
    suspended.state, deleted.state = State.SUSPENDED, State.DELETED
    book.call("suspended_author", str(book.post(f"Soon gone #{book.tag}", by=1).first_id))
    book.call("deleted_author", str(book.post(f"{book.name} gone already", by=2).first_id))
    book.call("not_shown", [str(suspended.id), str(deleted.id)])
    lost = book.people[1]
    lost.state = State.SUSPENDED
    book.call("suspended_follower", str(lost.id))


def _two_types(book: CaseBook) -> None:
    book.call("mention_with_hashtag", str(book.post(f"{book.name} look at #{book.tag}", by=3).first_id))
    book.call("two_hashtags", str(book.post(f"#{book.other} and #{book.tag}", by=3).first_id))


def _retweet(book: CaseBook) -> None:
    original = book.post(f"Say it again #{book.tag}", by=4)
    again = book.post(f"RT @x: Say it again #{book.tag}", by=5, retweet_of=original.first_id)
    book.call("retweet", str(again.first_id))


def _texts(book: CaseBook) -> None:
    texts = {
        "escaped": "Tags are &lt;b&gt; &amp;amp; co, 1 &lt; 2 &amp;&amp; 3 &gt; 2",
        "emoji": "👩‍👩‍👧 🏳️‍🌈 e\u0301 before the name",
        "nul": "before\x00after",
        "script": "&lt;script&gt;alert(document.cookie)&lt;/script&gt;",
        "right_to_left": "\u202eevil \u200f\u2028",
    }
    for case, said in texts.items():
        book.call(case, str(book.post(f"{said} {book.name}", by=4).first_id))
    long = book.post(f"{book.name} {LONG[:200]}… https://t.co/long", by=4, rest=f"{book.name} {LONG}#{book.tag}")
    book.call("long_text", str(long.first_id))


def _attachments(book: CaseBook) -> None:
    book.call("poll", str(book.post(f"Which one? #{book.tag}", by=5, poll=15_785).first_id))
    pictures = book.post(f"Two pictures #{book.tag}", by=5, media=("3_9001", "7_9002"))
    book.call("media", str(pictures.first_id))
    lost = book.post(f"A lost picture {book.name}", by=5, media=("3_9003",), lost_media=True)
    book.call("lost_media", str(lost.first_id))


def _edited(book: CaseBook) -> None:
    now = book.community.now
    post = book.post(f"{book.name} frist! #{book.tag}", by=6)
    for minutes, text in ((40, "first!"), (45, "first, edited")):
        book.community.now = post.current.made + 60 * minutes - 60 * 30
        book.community.edit(post, f"{book.name} {text} #{book.tag}")
    book.community.now = now
    book.call("edited", [str(version.id) for version in post.versions])


def _together(book: CaseBook) -> None:
    at = book.community.now - DAY // 24
    book.call("one_second", [str(book.post(f"{book.name} {n}", by=7, at=at).first_id) for n in range(2)])


def _names(book: CaseBook) -> None:
    book.people[-9].username = "2026"
    book.people[-10].name = ""
    book.call("digits_name", str(book.people[-9].id))
    book.call("no_name", str(book.people[-10].id))
    for by in (8, 9):
        book.post(f"{book.name} who am I? #{book.tag}", by=by)


_CASES: tuple[Callable[[CaseBook], None], ...] = (
    _authors_not_shown,
    _two_types,
    _retweet,
    _texts,
    _attachments,
    _edited,
    _together,
    _names,
)
