"""What can happen on the simulated X, on command."""

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from crowd_pipelines.sandbox.changes import Change, Pass, Week, valid

Endpoint = Literal["followers", "mentions", "search", "users"]
Author = int | Literal["new"] | None
Count = Annotated[int, Field(ge=1)]


class Follow(Change):
    """Somebody new follows, or who is named, perhaps again; `count` newcomers at once."""

    do: Literal["follow"]
    user: int | None = None
    count: Count = 1


class Miscount(Change):
    """X counts so many followers more than it lists (or less)."""

    do: Literal["miscount"]
    by: int = 0


class Shorten(Change):
    """The list of followers ends after so many; with none it is whole again."""

    do: Literal["shorten_followers"]
    to: Annotated[int, Field(ge=0)] | None = None


class Overlook(Change):
    """A follower moves between two pages: so many times a page that should show them does not."""

    do: Literal["overlook"]
    user: int
    times: Count = 1


class Withhold(Change):
    """A follower or a post that is left out of its list, and named as not to be seen."""

    do: Literal["withhold"]
    user: int | None = None
    post: int | None = None


class ExpireCursors(Change):
    """Page tokens that were given out lead nowhere any more."""

    do: Literal["expire_cursors"]


class Unfollow(Change):
    do: Literal["unfollow"]
    user: int | None = None


class Mention(Change):
    """Posts that name the account, with a hashtag if one is given."""

    do: Literal["mention"]
    author: Author = None
    tag: str | None = None
    text: str | None = None
    article: str = ""
    count: Count = 1


class Tagged(Change):
    """Posts with a hashtag; a retweet of one is no post of its own."""

    do: Literal["hashtag"]
    author: Author = None
    tag: str | None = None
    text: str | None = None
    count: Count = 1
    retweet: bool = False


class EditPost(Change):
    """Gives the post another id. Only within an hour; left out, a mention is posted and edited at once."""

    do: Literal["edit_post"]
    post: int | None = None
    text: str | None = None


class DeletePost(Change):
    """No answer gives a sign of it."""

    do: Literal["delete_post"]
    post: int | None = None


class RenameUser(Change):
    """With `username`, also a name that somebody else had before."""

    do: Literal["rename_user"]
    user: int | None = None
    username: str | None = None
    name: str | None = None


class SuspendUser(Change):
    do: Literal["suspend_user"]
    user: int | None = None


class DeleteUser(Change):
    do: Literal["delete_user"]
    user: int | None = None


class ReinstateUser(Change):
    do: Literal["reinstate_user"]
    user: int


class GainFollowers(Change):
    """An account has so many more followers (or less)."""

    do: Literal["gain_followers"]
    user: int | None = None
    followers: int = 10


class ExpireTokens(Change):
    """Access tokens end now; refresh tokens stay good."""

    do: Literal["expire_tokens"]


class RevokeToken(Change):
    """The account takes back what it authorised: no token is good any more."""

    do: Literal["revoke_token"]


class PublicClient(Change):
    """The app has no secret and names itself in the form."""

    do: Literal["public_client"]


class Limit(Change):
    """Another rate limit for an endpoint, with a new window."""

    do: Literal["limit"]
    endpoint: Endpoint
    requests: Count
    seconds: Annotated[float, Field(gt=0)] = 900


class UsageCap(Change):
    """The plan's posts of this month are used up, or the credits, or what may be spent; or no longer."""

    do: Literal["usage_cap"]
    reached: bool = True
    spent: Literal["posts", "credits", "spending"] = "posts"


class Forbid(Change):
    """The plan does not include an endpoint, the token lacks a scope or is an app's, or the account is protected."""

    do: Literal["forbid"]
    endpoint: Endpoint
    reason: Literal["client-not-enrolled", "official-client-forbidden", "scope", "app-only", "protected"] = (
        "client-not-enrolled"
    )


class Allow(Change):
    do: Literal["allow"]
    endpoint: Endpoint


AnyChange = Annotated[
    Follow
    | Unfollow
    | Miscount
    | Shorten
    | Overlook
    | Withhold
    | ExpireCursors
    | Mention
    | Tagged
    | EditPost
    | DeletePost
    | RenameUser
    | SuspendUser
    | DeleteUser
    | ReinstateUser
    | GainFollowers
    | ExpireTokens
    | RevokeToken
    | PublicClient
    | Limit
    | UsageCap
    | Forbid
    | Allow
    | Pass
    | Week,
    Field(discriminator="do"),
]
_ANY: TypeAdapter[AnyChange] = TypeAdapter(AnyChange)


def parsed(change: Any) -> AnyChange:
    """Raises ChangeRefused."""
    return valid(_ANY, change)
