"""A small GraphQL client, and a reader of GitHub that knows nothing of the sandbox but its API."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from crowd_pipelines.sandbox.process import Sandbox
from crowd_pipelines_tests.sandbox.client import Answer

Node = dict[str, Any]
AGENT = {"User-Agent": "sandbox-tests", "X-Github-Next-Global-ID": "1"}


def send(
    sandbox: Sandbox, path: str, *, method: str = "POST", body: Any = None, headers: dict[str, str] | None = None
) -> Answer:
    """One request on a connection of its own."""
    where = urlsplit(sandbox.api_url("github") + path)
    connection = HTTPConnection(where.netloc, timeout=60)
    try:
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.putrequest(method, where._replace(scheme="", netloc="").geturl(), skip_accept_encoding=True)
        for name, value in {**(AGENT if headers is None else headers), "Content-Length": str(len(text))}.items():
            connection.putheader(name, value)
        connection.endheaders(text)
        response = connection.getresponse()
        named = {name.lower(): value for name, value in response.getheaders()}
        return Answer(status=response.status, headers=named, body=response.read())
    finally:
        connection.close()


def authorized(token: str, **more: str) -> dict[str, str]:
    return {**AGENT, "Authorization": f"bearer {token}", **more}


def tokens(sandbox: Sandbox) -> list[str]:
    return list(sandbox.credentials("github")["tokens"])


def query(sandbox: Sandbox, text: str, *, token: str | None = None, **variables: Any) -> Answer:
    headers = authorized(token or tokens(sandbox)[0])
    return send(sandbox, "/graphql", body={"query": text, "variables": variables}, headers=headers)


def data(sandbox: Sandbox, text: str, **variables: Any) -> Any:
    """The data of an answer that has no errors."""
    answer = query(sandbox, text, **variables).json
    assert "errors" not in answer, answer["errors"]
    return answer["data"]


def errors(sandbox: Sandbox, text: str, **variables: Any) -> list[Node]:
    answer = query(sandbox, text, **variables)
    assert answer.status == 200
    return list(answer.json["errors"])


def named(full_name: str) -> dict[str, str]:
    owner, _, name = full_name.partition("/")
    return {"owner": owner, "name": name}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Activities as (type, source id) -> (parent, thread, timestamp, member, title, body), and the members' logins."""

    activities: dict[tuple[str, str], tuple[Any, ...]] = field(default_factory=dict)
    members: dict[str, str] = field(default_factory=dict)


WHO = "__typename ... on User { databaseId login }"
POST = f"__typename id createdAt bodyText author {{ {WHO} }}"
# Each connection: what it is in, its name with its arguments, and what is asked of a node.
CONNECTIONS: dict[str, tuple[str, str, str]] = {
    "issues": ("Repository", "issues", f"{POST} title"),
    "pullRequests": ("Repository", "pullRequests", f"{POST} title"),
    "discussions": ("Repository", "discussions", f"{POST} title"),
    "forks": ("Repository", "forks", f"__typename id createdAt owner {{ {WHO} }}"),
    "comments": ("Issue", "comments", POST),
    "pullComments": ("PullRequest", "comments", POST),
    "closings": ("Issue", "timelineItems", f"__typename ... on ClosedEvent {{ id createdAt actor {{ {WHO} }} }}"),
    "deeds": (
        "PullRequest",
        "timelineItems",
        f"""__typename
        ... on ClosedEvent {{ id createdAt actor {{ {WHO} }} }}
        ... on MergedEvent {{ id createdAt actor {{ {WHO} }} }}
        ... on AssignedEvent {{ id createdAt actor {{ {WHO} }} }}
        ... on ReviewRequestedEvent {{ id createdAt actor {{ {WHO} }} requestedReviewer {{ __typename }} }}
        ... on PullRequestReview {{ id submittedAt body author {{ {WHO} }} }}""",
    ),
    "threads": ("PullRequest", "reviewThreads", "id"),
    "threadComments": ("PullRequestReviewThread", "comments", f"{POST} state"),
    "talk": ("Discussion", "comments", f"{POST} deletedAt"),
    "replies": ("DiscussionComment", "replies", POST),
}
KINDS = {
    ("Issue", "ClosedEvent"): "issues-closed",
    ("PullRequest", "ClosedEvent"): "pull_request-closed",
    ("PullRequest", "MergedEvent"): "pull_request-merged",
    ("PullRequest", "AssignedEvent"): "pull_request-assigned",
    ("PullRequest", "ReviewRequestedEvent"): "pull_request-review-requested",
    ("PullRequest", "PullRequestReview"): "pull_request-reviewed",
}


class Reader:
    """Reads every connection of everything, page after page, nothing in bulk."""

    def __init__(self, sandbox: Sandbox, *, size: int) -> None:
        self._sandbox = sandbox
        self._size = size
        self.seen = Seen()

    def everything(self, settings: Node) -> Seen:
        repositories = {one: self._repository(one)["id"] for one in settings["repositories"]}
        for login in settings["organizations"]:
            text = (
                "query($login: String!) { organization(login: $login) { repositories(first: 100) { nodes { id } } } }"
            )
            owned = data(self._sandbox, text, login=login)["organization"]["repositories"]["nodes"]
            repositories |= {one["id"]: one["id"] for one in owned}
        for repository in dict.fromkeys(repositories.values()):
            self._read(repository)
        return self.seen

    def _repository(self, full_name: str) -> Node:
        text = "query($owner: String!, $name: String!) { repository(owner: $owner, name: $name) { id } }"
        return dict(data(self._sandbox, text, **named(full_name))["repository"])

    def _read(self, repository: str) -> None:
        for star in self._stars(repository):
            if star and star["node"]:
                source_id = f"{repository}:{star['node']['databaseId']}"
                self._note("star", source_id, star["node"], star["starredAt"], thread=repository)
        for fork in self.pages("forks", repository):
            self._note("fork", fork["id"], fork["owner"], fork["createdAt"], thread=repository)
        for issue in self.pages("issues", repository):
            self._post("issues-opened", issue, thread=issue["id"])
            self._below(issue, "comments", "issue-comment")
            self._deeds(issue, "closings")
        for pull in self.pages("pullRequests", repository):
            self._post("pull_request-opened", pull, thread=pull["id"])
            self._below(pull, "pullComments", "pull_request-comment")
            self._deeds(pull, "deeds")
            for thread in self.pages("threads", pull["id"]):
                for comment in self.pages("threadComments", thread["id"]):
                    if comment["state"] == "SUBMITTED":
                        kind = "pull_request-review-thread-comment"
                        self._post(kind, comment, thread=pull["id"], parent=pull["id"])
        for discussion in self.pages("discussions", repository):
            self._post("discussion-started", discussion, thread=discussion["id"])
            self._talk(discussion["id"])

    def _talk(self, discussion: str) -> None:
        for comment in self.pages("talk", discussion):
            self._post("discussion-comment", comment, thread=discussion, parent=discussion)
            for reply in self.pages("replies", comment["id"]):
                self._post("discussion-comment", reply, thread=discussion, parent=comment["id"])

    def _below(self, item: Node, connection: str, kind: str) -> None:
        for comment in self.pages(connection, item["id"]):
            self._post(kind, comment, thread=item["id"], parent=item["id"])

    def _deeds(self, item: Node, connection: str) -> None:
        for deed in self.pages(connection, item["id"]):
            kind = KINDS.get((item["__typename"], deed["__typename"]))
            at = deed["submittedAt"] if "submittedAt" in deed else deed.get("createdAt")
            if kind is None or at is None:
                continue
            who = deed["author"] if "author" in deed else deed["actor"]
            self._note(kind, deed["id"], who, at, thread=item["id"], parent=item["id"], body=deed.get("body"))

    def pages(self, connection: str, parent: str) -> Iterator[Node]:
        typename, name, fields = CONNECTIONS[connection]
        text = f"""query {connection}($id: ID!, $size: Int!, $after: String) {{
          node(id: $id) {{ ... on {typename} {{ {name}(first: $size, after: $after) {{
            pageInfo {{ hasNextPage endCursor }} nodes {{ {fields} }} }} }} }} }}"""
        yield from (node for page in self._pages(text, name, parent) for node in page["nodes"])

    def _stars(self, repository: str) -> Iterator[Node | None]:
        text = f"""query stars($id: ID!, $size: Int!, $after: String) {{
          node(id: $id) {{ ... on Repository {{
            stargazers(first: $size, after: $after, orderBy: {{field: STARRED_AT, direction: DESC}}) {{
              pageInfo {{ hasNextPage endCursor }} edges {{ starredAt node {{ {WHO} }} }} }} }} }} }}"""
        yield from (edge for page in self._pages(text, "stargazers", repository) for edge in page["edges"])

    def _pages(self, text: str, name: str, parent: str) -> Iterator[Node]:
        after = None
        while True:
            page = data(self._sandbox, text, id=parent, size=self._size, after=after)["node"][name]
            yield page
            if not page["pageInfo"]["hasNextPage"]:
                return
            after = page["pageInfo"]["endCursor"]

    def _post(self, kind: str, post: Node, *, thread: str, parent: str | None = None) -> None:
        self._note(
            kind,
            post["id"],
            post["author"],
            post["createdAt"],
            thread=thread,
            parent=parent,
            title=post.get("title"),
            body=post["bodyText"],
        )

    def _note(
        self,
        kind: str,
        source_id: str,
        who: Node | None,
        at: str,
        *,
        thread: str,
        parent: str | None = None,
        title: str | None = None,
        body: str | None = None,
    ) -> None:
        if who and who["__typename"] == "User":
            member = str(who["databaseId"])
            assert (kind, source_id) not in self.seen.activities, "came twice"
            self.seen.activities[kind, source_id] = (parent, thread, at, member, title, body)
            self.seen.members[member] = who["login"]


def expected(activities: list[Node]) -> dict[tuple[str, str], tuple[Any, ...]]:
    """The truth in the form of `Seen.activities`."""
    fields = ("source_parent_id", "thread", "timestamp", "member", "title", "body")
    return {(one["type"], one["source_id"]): tuple(one[field] for field in fields) for one in activities}
