"""Codes, keys and events of Nostr: vectors of the NIPs, and what breaks."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postprober.domain.remote import PartJob, Ref
from postprober.errors import BadInput, ReconnectNeeded
from postprober.platforms.common.links import PastedLink
from postprober.platforms.nostr import links
from postprober.platforms.nostr.codes import Pointer, decode, encode, nevent, npub, pointer, secret_in
from postprober.platforms.nostr.event import (
    Uploaded,
    answered_by,
    genuine,
    hashtags_in,
    mentions_in,
    note,
    post_of,
    serialised,
    signed,
)
from postprober.platforms.nostr.keys import Signer, signed_by
from postprober.sandbox.nostr import curve

# NIP-19's own examples.
NPUB = "npub10elfcs4fr0l0r8af98jlmgdh9c8tcxjvz9qkw038js35mp4dma8qzvjptg"
PUBLIC = "7e7e9c42a91bfef19fa929e5fda1b72e0ebc1a4c1141673e2794234d86addf4e"
NSEC = "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5"
SECRET = "67dea2ed018072d675f5415ecfaed7d2597555e202d85b3d65ea4e58d2d92ffa"
NPROFILE = (
    "nprofile1qqsrhuxx8l9ex335q7he0f09aej04zpazpl0ne2cgukyawd24mayt8gpp4mhxue69uhhytnc9e3k7mgpz4mhxue69uhkg6nzv9ejuumpv34"
    "kytnrdaksjlyr9p"
)
PROFILE = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d"
# BIP-340's own vectors: secret, message, auxiliary randomness of zeros, signature; and public keys that go with the secrets.
BIP340 = [
    (
        "0000000000000000000000000000000000000000000000000000000000000003",
        "f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "e907831f80848d1069a5371b402410364bdf1c5f8307b0084c55f1ce2dca821525f66a4a85ea8b71e482a74f382d2ce5ebeee8fdb2172f477df4900d310536c0",
    )
]
NOW = datetime(2026, 3, 2, 9, 0, 0, 500_000, tzinfo=UTC)
JOB = PartJob("key", 0, "Hello", NOW, handle="0123456789abcdef")
SIGNER_KEY = "11" * 32


def test_the_examples_of_nip_19_are_read_and_written() -> None:
    assert npub(PUBLIC) == NPUB
    assert pointer(NPUB) == Pointer("npub", PUBLIC)
    assert pointer(f"nostr:{NPUB}") == Pointer("npub", PUBLIC)
    assert pointer(NPROFILE) == Pointer("nprofile", PROFILE, ("wss://r.x.com", "wss://djbas.sadkb.com"))
    assert secret_in(NSEC) == secret_in(SECRET) == secret_in(f"  {NSEC.upper()} ") == SECRET


@pytest.mark.parametrize("typed", ["", "nsec1qq", NSEC[:-1] + "q", SECRET[:-1], SECRET + "0", "x" * 64, NPUB])
def test_what_is_no_private_key_is_refused_without_being_repeated(typed: str) -> None:
    with pytest.raises(BadInput) as error:
        secret_in(typed)
    assert not typed or typed not in str(error.value)


def test_a_public_key_in_the_place_of_the_private_one_is_told() -> None:
    with pytest.raises(BadInput, match="public key"):
        secret_in(NPUB)


@given(st.binary(max_size=300), st.sampled_from(["npub", "nevent", "x"]))
def test_every_code_is_read_as_it_was_written(data: bytes, prefix: str) -> None:
    assert decode(encode(prefix, data)) == (prefix, data)


@given(st.integers(0, 62), st.sampled_from("qpzry9x8gf2tvdw0s3jn54khce6mua7l"))
def test_a_changed_sign_is_noticed(place: int, sign: str) -> None:
    changed = NPUB[:place] + sign + NPUB[place + 1 :]
    assert changed == NPUB or pointer(changed) is None


@given(st.text(max_size=80))
def test_anything_else_is_no_code(text: str) -> None:
    assert pointer(text) is None or text.removeprefix("nostr:").lower().startswith(
        ("npub1", "nprofile1", "note1", "nevent1")
    )


@pytest.mark.parametrize(
    "form", ["{}", "nostr:{}", "https://njump.me/{}", "https://any.example/e/{}?x=1", "https://njump.me/{}/"]
)
def test_a_pasted_link_is_read_in_all_its_forms(form: str) -> None:
    event = "ab" * 32
    for code in (nevent(event, ["wss://relay.example"], PUBLIC), encode("note", bytes.fromhex(event)), event):
        read = links.remote_id(PastedLink.read(form.format(code), account_id=PUBLIC, handle="me"))
        assert read == event


def test_a_post_of_another_key_is_refused_and_other_links_are_none() -> None:
    other = nevent("ab" * 32, [], PROFILE)
    with pytest.raises(BadInput, match="another key"):
        links.remote_id(PastedLink.read(f"https://njump.me/{other}", account_id=PUBLIC, handle="me"))
    for none in ("https://njump.me/", NPUB, "https://example.org/page", "abc"):
        assert links.remote_id(PastedLink.read(none, account_id=PUBLIC, handle="me")) == ""


@pytest.mark.parametrize(("secret", "public", "message", "signature"), BIP340)
def test_the_library_and_the_emulators_own_curve_sign_as_bip_340_says(
    secret: str, public: str, message: str, signature: str
) -> None:
    digest = bytes.fromhex(message)
    assert Signer(secret).public == curve.public_of(secret) == public
    assert curve.sign(secret, digest) == signature
    assert curve.is_signed(public, digest, signature)
    assert signed_by(public, digest, signature)
    assert not curve.is_signed(public, bytes(31) + b"\1", signature)
    assert not signed_by(public, bytes(31) + b"\1", signature)


@pytest.mark.parametrize("number", range(5))
def test_each_accepts_what_the_other_signed(number: int) -> None:
    secret, digest = curve.secret_of(bytes([number])), hashlib.sha256(bytes([number])).digest()
    signer = Signer(secret)
    assert curve.is_signed(signer.public, digest, signer.sign(digest))
    assert signed_by(signer.public, digest, curve.sign(secret, digest))


def test_a_signer_never_shows_its_key() -> None:
    signer = Signer(SECRET)
    assert SECRET not in repr(signer) + str(signer) and signer.public in repr(signer)
    with pytest.raises(ReconnectNeeded) as error:
        Signer("damaged" + SECRET)
    assert SECRET not in error.value.message + error.value.detail


def test_an_event_is_the_same_bytes_for_the_same_job_and_another_for_another_delivery() -> None:
    signer = Signer(SIGNER_KEY)
    first = note(signer, JOB, (), "wss://relay.example")
    assert first == note(Signer(SIGNER_KEY), JOB, (), "wss://relay.example")
    assert genuine(first)
    assert first["created_at"] == int(NOW.timestamp())
    assert note(signer, replace(JOB, handle="fedcba9876543210"), (), "")["id"] != first["id"]


def test_the_id_is_made_as_nip_01_says() -> None:
    event = {"pubkey": "ab", "created_at": 7, "kind": 1, "tags": [["t", "ü"]], "content": '\n"\\\r\t\b\fé🎉\u2028/'}
    assert serialised(event).decode() == '[0,"ab",7,1,[["t","ü"]],"\\n\\"\\\\\\r\\t\\b\\fé🎉\u2028/"]'


@pytest.mark.parametrize(
    "change",
    [
        {"content": "Something else"},
        {"created_at": 1},
        {"sig": "00" * 64},
        {"id": "ab" * 32},
        {"pubkey": PUBLIC},
        {"tags": "none"},
        {"kind": True},
        {"sig": None},
        {"tags": [[1]]},
    ],
)
def test_a_relay_is_not_believed_about_an_event(change: dict[str, object]) -> None:
    event = note(Signer(SIGNER_KEY), JOB, (), "")
    assert genuine(event)
    assert not genuine({**event, **change})
    assert not genuine([event]) and not genuine(None)


def test_people_tags_and_quotes_of_a_text_become_tags() -> None:
    quoted = nevent("cd" * 32, ["wss://other.example"], PROFILE)
    text = f"Ask nostr:{NPUB} and nostr:{NPROFILE} about nostr:{quoted} #Nostr #2026 #Straße #nostr a#b https://x.example/#c"
    tags = note(Signer(SIGNER_KEY), replace(JOB, text=text), (), "")["tags"]
    assert mentions_in(text) == [PUBLIC, PROFILE]
    assert hashtags_in(text) == ["nostr", "straße"]
    assert ["q", "cd" * 32, "wss://other.example", PROFILE] in tags
    assert [tag for tag in tags if tag[0] == "p"] == [["p", PUBLIC], ["p", PROFILE]]
    assert [tag for tag in tags if tag[0] == "t"] == [["t", "nostr"], ["t", "straße"]]


def test_a_thread_names_its_root_and_what_it_answers() -> None:
    signer, root, parent = Signer(SIGNER_KEY), Ref("aa" * 32), Ref("bb" * 32)
    second = note(signer, replace(JOB, parent=root, root=root), (), "wss://r.example")
    third = note(signer, replace(JOB, parent=parent, root=root), (), "wss://r.example")
    assert [tag[3] for tag in second["tags"] if tag[0] == "e"] == ["root"]
    assert answered_by(second) == root.remote_id
    assert answered_by(third) == parent.remote_id
    assert answered_by({"tags": [["e", "aa" * 32], ["e", "bb" * 32]]}) == "bb" * 32, "the old order"
    assert answered_by({"tags": [["p", "x"]]}) == ""


def test_files_stand_behind_the_text_and_are_taken_off_again() -> None:
    file = Uploaded("https://m.example/a.jpg", "image/jpeg", "ab" * 32, 9, 640, 480, "A tick\nin green")
    film = Uploaded("https://m.example/b.mp4", "video/mp4", "cd" * 32, 9, 0, 0)
    event = note(Signer(SIGNER_KEY), replace(JOB, text="Look\nhttps://m.example/other"), (file, film), "")
    assert event["content"].endswith("\nhttps://m.example/a.jpg\nhttps://m.example/b.mp4")
    post = post_of(event, "")
    assert post.text == "Look\nhttps://m.example/other"
    assert post.media is not None
    assert [(one.kind, one.alt, one.size) for one in post.media] == [
        ("image", "A tick in green", (640, 480)),
        ("video", "", None),
    ]
    alone = note(Signer(SIGNER_KEY), replace(JOB, text=""), (file,), "")
    assert post_of(alone, "").text == ""
    twice = post_of(note(Signer(SIGNER_KEY), JOB, (file, film, file), ""), "")
    assert [one.kind for one in twice.media or ()] == ["image", "video", "image"], "the same file is sent twice"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, {"content_warning": "", "sensitive": False}),
        ({"content_warning": "Spiders"}, {"content_warning": "Spiders"}),
        ({"sensitive": True}, {"content_warning": "", "sensitive": True}),
    ],
)
def test_a_warning_is_sent_and_read(options: dict[str, object], told: dict[str, object]) -> None:
    assert post_of(note(Signer(SIGNER_KEY), replace(JOB, options=options), (), ""), "").options == told


def test_a_time_outside_the_calendar_is_no_time() -> None:
    event = signed(Signer(SIGNER_KEY), 1, "x", [], NOW + timedelta(days=1))
    assert post_of({**event, "created_at": 2**60}, "").created_at is None
