"""A reader of X that knows nothing of the sandbox but its API."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines_tests.sandbox.client import Answer, fetch

ALL_FIELDS = {
    "user.fields": "id,name,username,created_at,description,location,url,verified,protected,profile_image_url,"
    "public_metrics",
    "tweet.fields": "id,text,author_id,created_at,conversation_id,entities,attachments,referenced_tweets,lang,"
    "edit_history_tweet_ids,edit_controls,note_tweet,public_metrics,in_reply_to_user_id",
    "media.fields": "media_key,type,url,preview_image_url,height,width",
    "expansions": "author_id,attachments.media_keys",
}


@dataclass(frozen=True, kw_only=True)
class X:
    """Asks with one access token."""

    url: str
    token: str
    settings: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, sandbox: Sandbox) -> "X":
        token = sandbox.credentials("twitter")["access_token"]
        return cls(url=sandbox.api_url("twitter"), token=token, settings=sandbox.settings("twitter"))

    def path(self, kind: str) -> str:
        return "/2/tweets/search/recent" if kind == "recent" else f"/2/users/{self.settings['user_id']}/{kind}"

    def get(self, path: str, **query: str | int) -> Answer:
        address = self.url + path + (f"?{urlencode(query)}" if query else "")
        return fetch(address, headers={"Authorization": f"Bearer {self.token}"})

    def pages(self, kind: str, **query: str | int) -> Iterator[Answer]:
        """Every page of a list; of a search for the first hashtag unless another is asked for."""
        if kind == "recent":
            query.setdefault("query", f"#{self.settings['hashtags'][0]} -is:retweet")
        while True:
            answer = self.get(self.path(kind), **query)
            yield answer
            if "next_token" not in answer.json.get("meta", {}):
                return
            query["next_token" if kind == "recent" else "pagination_token"] = answer.json["meta"]["next_token"]


def renew(sandbox: Sandbox, refresh_token: str, *, basic: str | None, **more: str) -> Answer:
    """Asks for new tokens, as a confidential client with `basic`."""
    where = urlsplit(sandbox.api_url("twitter"))
    connection = HTTPConnection(where.netloc, timeout=20)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    if basic is not None:
        headers["Authorization"] = f"Basic {basic}"
    form = urlencode({"grant_type": "refresh_token", "refresh_token": refresh_token, **more})
    try:
        connection.request("POST", f"{where.path}/2/oauth2/token", body=form, headers=headers)
        response = connection.getresponse()
        return Answer(status=response.status, headers={}, body=response.read())
    finally:
        connection.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """(type, source id) -> (author, text), and the names of who was shown."""

    activities: dict[tuple[str, str], tuple[str, str | None]] = field(default_factory=dict)
    members: dict[str, str] = field(default_factory=dict)


def read_everything(x: X) -> Seen:
    seen = Seen()
    for answer in x.pages("followers", max_results=70):
        for user in answer.json["data"]:
            seen.activities["follow", f"{x.settings['user_id']}:{user['id']}"] = (user["id"], None)
            seen.members[user["id"]] = user["username"]
    for answer in x.pages("mentions", max_results=30, **ALL_FIELDS):
        _note(seen, "mention", answer.json)
    for tag in x.settings["hashtags"]:
        for answer in x.pages("recent", query=f"#{tag} -is:retweet", max_results=30, **ALL_FIELDS):
            _note(seen, "hashtag", answer.json)
    return seen


def _note(seen: Seen, kind: str, body: dict[str, Any]) -> None:
    seen.members.update({user["id"]: user["username"] for user in body.get("includes", {}).get("users", ())})
    for post in body["data"]:
        text = post.get("note_tweet", post)["text"]
        seen.activities[kind, post["edit_history_tweet_ids"][0]] = (post["author_id"], text)
