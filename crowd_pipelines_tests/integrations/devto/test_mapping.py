"""What DEV's payloads mean to us."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from crowd_pipelines.integrations.devto.activities import ARTICLE, COMMENT
from crowd_pipelines.integrations.devto.settings import DevtoSettings
from crowd_pipelines.integrations.devto.streams import CommentsStream, ProfileStream
from crowd_pipelines.model.records import Organization
from crowd_pipelines.model.streams import RetractActivities, RetractMissing, StreamResult
from crowd_pipelines_tests.http.scripted_server import answer
from crowd_pipelines_tests.integrations.devto.forem import (
    ARTICLES,
    COMMENTS,
    NOT_FOUND,
    SITE,
    Forem,
    activities,
    members,
    others,
    payload,
)

PROFILE = ProfileStream(user_id=7, site=SITE, owner="user", username="mara")


def test_an_article_is_an_activity_of_its_author(forem: Forem) -> None:
    article, plain = activities(forem.read(ARTICLES, payload("articles")))
    assert (article.type, article.source_id, article.thread) == (ARTICLE, "51", "51")
    assert (article.title, article.body) == ('Of gates & "fences" 🚪', "How to open them…")
    assert article.url == "https://dev.to/barn-works/of-gates-1f"
    assert article.timestamp == datetime(2024, 2, 3, 10, tzinfo=UTC)
    assert (article.source_parent_id, article.source_parent_type) == (None, None)
    assert (article.attributes, plain.attributes) == ({"tags": ["gates", "wood"]}, {"tags": ["one", "two"]})


def test_an_author_is_shown_with_what_an_article_tells_and_nothing_more(forem: Forem) -> None:
    author = activities(forem.read(ARTICLES, payload("articles")))[0].member
    assert (author.source_id, author.username) == ("7", "mara")
    assert author.display_name == 'Mara "Quill" \\:/ O\'Dell'
    assert author.attributes == {
        "url": "https://dev.to/mara",
        "avatarUrl": "https://img.example/7.png",
        "githubUsername": "mara-gh",
        "twitterUsername": None,
        "websiteUrl": None,
    }
    assert author.organizations == (
        Organization(
            source_id="barn-works",
            name="Barn & Sons <Works>",
            url="https://dev.to/barn-works",
            image_url="https://img.example/o.png",
        ),
    )


def test_articles_lead_to_comments_where_there_are_any_and_to_each_author_once(forem: Forem) -> None:
    result = forem.read(ARTICLES, payload("articles"))
    comments = CommentsStream(
        article_id=51,
        title='Of gates & "fences" 🚪',
        url="https://dev.to/barn-works/of-gates-1f",
        last_comment_at="2024-02-05T08:00:00Z",
        comments_count=3,
        owner="user",
        username="mara",
    )
    assert result.new_streams == (PROFILE, comments)


def test_comments_of_others_are_read_through_what_was_deleted_or_hidden(forem: Forem) -> None:
    found = {a.source_id: a for a in activities(forem.read(COMMENTS, payload("comments")))}
    assert found.keys() == {"2k01", "2k03", "2k05"}
    parents = {id_: (a.source_parent_type, a.source_parent_id, a.attributes["thread"]) for id_, a in found.items()}
    assert parents == {
        "2k01": ("article", "51", False),
        "2k03": ("comment", "2k01", True),
        "2k05": ("article", "51", False),
    }


def test_a_comment_is_told_with_its_address_and_safe_markup(forem: Forem) -> None:
    comment = activities(forem.read(COMMENTS, payload("comments")))[0]
    assert (comment.type, comment.thread, comment.title, comment.channel) == (COMMENT, "51", None, None)
    assert comment.url == "https://dev.to/olaf/comment/2k01"
    assert comment.attributes == {
        "thread": False,
        "userUrl": "https://dev.to/olaf",
        "articleUrl": COMMENTS.url,
        "articleTitle": COMMENTS.title,
    }
    assert comment.body is not None
    assert comment.body.startswith("<p>Fine work 🎉 <a ")
    assert "script" not in comment.body
    assert comment.member.attributes["twitterUsername"] == "olaf_tw"


def test_texts_that_no_database_takes_are_made_storable(forem: Forem) -> None:
    comment = activities(forem.read(COMMENTS, payload("comments")))[2]
    assert comment.body is not None
    assert comment.body.encode()
    assert "\x00" not in comment.body


def test_a_whole_tree_retracts_what_it_no_longer_shows(forem: Forem) -> None:
    [retracted] = others(forem.read(COMMENTS, payload("comments")))
    assert retracted == RetractMissing(type=COMMENT, thread="51", present=frozenset({"2k01", "2k03", "2k05"}))


@pytest.mark.parametrize("id_code", [None, "", ["2k01"], {"id": "2k01"}])
def test_a_tree_with_a_comment_that_does_not_say_which_it_is_retracts_nothing_that_is_missing(
    forem: Forem, id_code: Any
) -> None:
    tree = payload("comments")
    tree[0]["id_code"] = id_code
    result = forem.read(COMMENTS, tree)
    assert not any(isinstance(operation, RetractMissing) for operation in result.operations)
    assert len(result.rejected) == 1
    assert {a.source_id: a.source_parent_id for a in activities(result)} == {"2k03": "51", "2k05": "51"}


def test_an_answer_to_a_comment_that_does_not_say_which_it_is_answers_the_one_above(forem: Forem) -> None:
    tree = payload("comments")
    del tree[0]["children"][0]["id_code"]
    found = {a.source_id: a for a in activities(forem.read(COMMENTS, tree))}
    assert found["2k03"].source_parent_id == "2k01"


@pytest.mark.parametrize("user", ["missing", "olaf", {"user_id": 9}])
def test_a_comment_without_a_user_is_kept_as_evidence_and_not_taken_for_a_deleted_one(forem: Forem, user: Any) -> None:
    tree = payload("comments")
    tree[0] = {name: value for name, value in tree[0].items() if name != "user"} | (
        {} if user == "missing" else {"user": user}
    )
    result = forem.read(COMMENTS, tree)
    [rejected] = result.rejected
    assert rejected.reason.startswith("comment: user")
    assert rejected.payload["id_code"] == "2k01"
    assert "children" not in rejected.payload
    # Nobody can tell what else a tree lacks of which a part cannot be used.
    assert others(result) == [RetractActivities(type=COMMENT, source_ids=("2k02", "2k04"))]


@pytest.mark.parametrize("odd", ["surprise", 5, []])
def test_what_is_no_record_at_all_is_kept_as_evidence(forem: Forem, odd: Any) -> None:
    for stream, name, known in ((ARTICLES, "articles", 2), (COMMENTS, "comments", 3)):
        result = forem.read(stream, [odd, *payload(name)])
        assert [record.payload for record in result.rejected] == [odd]
        assert len(activities(result)) == known


@pytest.mark.parametrize("children", [None, "text", 5, {"id_code": "x"}])
def test_answers_that_are_no_list_are_none(forem: Forem, children: Any) -> None:
    tree = payload("comments")
    tree[0]["children"] = children
    assert [a.source_id for a in activities(forem.read(COMMENTS, tree))] == ["2k01", "2k05"]


def test_a_thread_deeper_than_any_stack_is_read(forem: Forem) -> None:
    node: dict[str, Any] = {}
    for number in range(300, 0, -1):
        node = {
            "id_code": str(number),
            "created_at": "2024-02-03T11:00:00Z",
            "user": {"user_id": 9, "username": "olaf"},
            "children": [node] if node else [],
        }
    found = activities(forem.read(COMMENTS, [node]))
    assert [a.source_id for a in found] == [str(number) for number in range(1, 301)]
    assert found[-1].source_parent_id == "299"


def test_an_article_whose_author_is_gone_is_no_activity_but_its_comments_are_read(forem: Forem) -> None:
    listed = payload("articles")
    listed[0] |= {"user": {}, "comments_count": 3}
    result = forem.read(ARTICLES, listed)
    assert str(listed[0]["id"]) not in {activity.source_id for activity in activities(result)}
    assert listed[0]["id"] in {stream.article_id for stream in result.new_streams if isinstance(stream, CommentsStream)}
    assert result.rejected == ()


@pytest.mark.parametrize(
    "spoiled",
    [
        {"description": {}}, {"edited_at": "never"}, {"tag_list": 7}, {"organization": "Klocko"},
        {"last_comment_at": []}, {"published_at": None, "published_timestamp": "2023-01-11T16:00:22Z"},
    ],
    ids=str,
)  # fmt: skip
def test_an_article_is_not_refused_for_what_it_can_do_without(forem: Forem, spoiled: dict[str, Any]) -> None:
    listed = payload("articles")
    listed[0] |= spoiled
    result = forem.read(ARTICLES, listed)
    assert str(listed[0]["id"]) in {activity.source_id for activity in activities(result)}
    assert result.rejected == ()


def test_comments_of_an_article_without_a_count_are_read(forem: Forem) -> None:
    listed = payload("articles")
    listed[0] |= {"comments_count": None}
    result = forem.read(ARTICLES, listed)
    assert listed[0]["id"] in {stream.article_id for stream in result.new_streams if isinstance(stream, CommentsStream)}


@pytest.mark.parametrize(
    "spoiled",
    [
        {"id": None}, {"title": None}, {"published_at": "0000-00-00"}, {"published_at": "9999-12-31T23:59:59Z"},
        {"published_at": 10**18}, {"user": {"name": "nobody"}}, {"url": "http://[broken"}, {"url": "no address"},
        {"url": ""},
    ],
    ids=str,
)  # fmt: skip
def test_an_article_that_cannot_be_used_is_kept_while_its_page_goes_on(forem: Forem, spoiled: dict[str, Any]) -> None:
    listed = payload("articles")
    listed[0] |= spoiled
    result = forem.read(ARTICLES, listed)
    assert [a.source_id for a in activities(result)] == ["50"]
    [rejected] = result.rejected
    assert rejected.reason.startswith(f"article: {next(iter(spoiled))}")
    assert rejected.payload == listed[0]


def test_a_profile_tells_who_somebody_is(forem: Forem) -> None:
    [member] = members(forem.read(PROFILE, payload("profile")))
    assert (member.source_id, member.username, member.display_name) == ("7", "mara", "Mara O'Dell")
    assert member.attributes == {
        "url": "https://dev.to/mara",
        "bio": "Mends fences.\nAnd gates.",
        "location": "Łódź",
        "avatarUrl": "https://img.example/7.png",
        "websiteUrl": "https://mara.example",
        "githubUsername": "mara-gh",
        "twitterUsername": None,
        "platformJoinedAt": "2015-12-07",
    }


@pytest.mark.parametrize("joined", [None, "", "yesterday", "2015-12-07", "Feb 30, 2020", 5])
def test_a_date_for_people_that_cannot_be_read_is_left_out(forem: Forem, joined: Any) -> None:
    [member] = members(forem.read(PROFILE, payload("profile") | {"joined_at": joined}))
    assert "platformJoinedAt" not in member.attributes


def test_what_a_profile_leaves_empty_is_told_as_empty(forem: Forem) -> None:
    [member] = members(forem.read(PROFILE, payload("profile") | {"summary": "", "location": None}))
    assert (member.attributes["bio"], member.attributes["location"]) == (None, None)


def test_a_profile_that_cannot_be_used_is_kept_as_evidence(forem: Forem) -> None:
    result = forem.read(PROFILE, payload("profile") | {"username": ""})
    assert members(result) == []
    assert result.rejected[0].reason.startswith("profile: username")


def test_an_article_that_is_not_published_any_more_is_skipped_and_not_asked_for_again(forem: Forem) -> None:
    forem.server.plays("/articles", answer(payload=payload("articles")))
    result = forem.read(COMMENTS, NOT_FOUND, status=404)
    assert result.skipped is not None
    assert "404" in result.skipped
    assert result.watermarks.keys() == {"comments:51"}
    assert result == StreamResult(skipped=result.skipped, watermarks=result.watermarks)


@pytest.mark.parametrize(
    "given",
    [("ben",), ("@ben",), ("https://dev.to/ben",), ("https://dev.to/ben/",), (" ben ",), ("ben", "@ben")],
)
def test_owners_may_be_named_in_many_ways(given: tuple[str, ...]) -> None:
    assert DevtoSettings(users=given).owners == (("user", "ben"),)


@pytest.mark.parametrize("given", [{}, {"users": []}, {"users": [""]}, {"users": ["@"]}, {"people": ["ben"]}])
def test_settings_without_an_owner_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        DevtoSettings.model_validate(given)


def test_a_comment_without_a_body_is_kept(forem: Forem) -> None:
    body = payload("comments")
    body[0]["body_html"] = None
    result = forem.read(COMMENTS, body)
    assert result.rejected == ()
    assert activities(result)[0].body == ""


@pytest.mark.parametrize("name", [None, "", "   ", "\u3000", 7 * " "])
def test_somebody_without_a_name_has_none(forem: Forem, name: str | None) -> None:
    listed = payload("articles")
    listed[0]["user"]["name"] = name
    assert activities(forem.read(ARTICLES, listed))[0].member.display_name is None
    [member] = members(forem.read(PROFILE, payload("profile") | {"name": name}))
    assert member.display_name is None


def test_an_answer_answers_the_next_above_that_can_be_read_however_many_are_withheld_between(forem: Forem) -> None:
    tree = payload("comments")
    tree[0]["children"][0]["children"] = [{**tree[0]["children"][0], "id_code": "2k08"}]
    found = {a.source_id: a for a in activities(forem.read(COMMENTS, tree))}
    assert (found["2k03"].source_parent_id, found["2k03"].attributes["thread"]) == ("2k01", True)


def test_the_text_of_an_article_without_an_author_is_told_as_left_out(forem: Forem) -> None:
    listed = payload("articles")
    listed[0]["user"] = {}
    assert forem.read(ARTICLES, listed).uncollected == {"article without an author": 1}
    assert forem.read(ARTICLES, payload("articles")).uncollected == {}
