"""Node ids: the new form for whoever asks for it, and the old one for what is old, as GitHub gives them."""

import base64
import binascii
import struct

from crowd_pipelines.sandbox.github.model import Account, Anything, Category, Event, Item, Label, Repository, Team

LEGACY_UNTIL = 1_632_000_000  # September 2021: what came later has but one id
MODERN = {
    "User": "U",
    "Bot": "BOT",
    "Mannequin": "M",
    "Organization": "O",
    "Team": "T",
    "Label": "LA",
    "DiscussionCategory": "DIC",
    "Repository": "R",
    "Issue": "I",
    "PullRequest": "PR",
    "Discussion": "D",
    "IssueComment": "IC",
    "PullRequestReview": "PRR",
    "PullRequestReviewThread": "PRRT",
    "PullRequestReviewComment": "PRRC",
    "DiscussionComment": "DC",
    "ClosedEvent": "CE",
    "ReopenedEvent": "REE",
    "MergedEvent": "ME",
    "AssignedEvent": "AE",
    "UnassignedEvent": "UNAE",
    "ReviewRequestedEvent": "RRE",
    "LabeledEvent": "LE",
    "TransferredEvent": "TRE",
    "ConvertedToDiscussionEvent": "CTDE",
    "ReviewDismissedEvent": "RDE",
}
_TYPENAMES = {prefix: typename for typename, prefix in MODERN.items()}


def node_id(node: Anything, *, modern: bool = True) -> str:
    if not modern and node.created < LEGACY_UNTIL:
        name = node.typename
        return base64.b64encode(f"0{len(name)}:{name}{node.id}".encode()).decode()
    packed = bytes([0x90 + len(_path(node)) + 1, 0]) + b"".join(map(_packed, _path(node)))
    return f"{MODERN[node.typename]}_{base64.urlsafe_b64encode(packed).decode().rstrip('=')}"


def parsed(text: str) -> tuple[str, int] | None:
    """The type and the number that an id of either form names; None for what is none."""
    try:
        return _modern(text) if "_" in text else _legacy(text)
    except (ValueError, binascii.Error, struct.error):
        return None


def _path(node: Anything) -> tuple[int, ...]:
    """The numbers within which a node's own is unique, and its own."""
    match node:
        case Account() | Repository():
            return (node.id,)
        case Team():
            return (node.organization.id, node.id)
        case Item() | Label() | Category():
            return (node.repository.id, node.id)
        case Event():
            return (node.item.repository.id, node.item.id, node.id)
    return node.item.repository.id, node.id


def _packed(number: int) -> bytes:
    """As MessagePack writes unsigned numbers of 32 and of 64 bits."""
    return struct.pack(">BI", 0xCE, number) if number < 2**32 else struct.pack(">BQ", 0xCF, number)


def _modern(text: str) -> tuple[str, int] | None:
    prefix, _, encoded = text.partition("_")
    packed = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    if prefix not in _TYPENAMES or packed[:1] not in (b"\x92", b"\x93", b"\x94"):
        return None
    wide = len(packed) >= 9 and packed[-9] == 0xCF
    return _TYPENAMES[prefix], struct.unpack(">Q", packed[-8:])[0] if wide else struct.unpack(">I", packed[-4:])[0]


def _legacy(text: str) -> tuple[str, int] | None:
    length, _, rest = base64.b64decode(text, validate=True).decode().partition(":")
    name, number = rest[: int(length)], rest[int(length) :]
    return (name, int(number)) if name in MODERN else None
