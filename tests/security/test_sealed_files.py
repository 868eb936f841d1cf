"""Files that only who has a key can read, of any size, and that open whole or not at all."""

from __future__ import annotations

import base64
import io
import os
from typing import Any

import pytest
from pydantic import SecretStr

from postprober.errors import ConfigurationError, VaultError
from postprober.security import sealed_files
from postprober.security.sealed_files import MAGIC, PIECE, FileKeys, parse_file_keys

KEYS = FileKeys((b"1" * 32,))
OTHER = FileKeys((b"2" * 32,))
HEAD = len(MAGIC) + 8 + 32


def sealed(content: bytes, keys: FileKeys = KEYS, purpose: str = "file") -> bytes:
    target = io.BytesIO()
    keys.seal(io.BytesIO(content), target, purpose)
    return target.getvalue()


def opened(content: bytes, keys: FileKeys = KEYS, purpose: str = "file") -> bytes:
    return b"".join(keys.open(io.BytesIO(content), purpose))


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 3 * PIECE + 7])
def test_what_is_sealed_comes_back_and_does_not_show(size: int) -> None:
    content = os.urandom(size)
    whole = sealed(content)
    assert opened(whole) == content
    assert sealed(content) != whole, "the same file sealed twice does not show that it is the same"
    assert size < 16 or content[:16] not in whole


def test_neither_sealing_nor_opening_holds_more_than_two_pieces() -> None:
    asked: list[int] = []

    class Endless(io.RawIOBase):
        left = 8 * PIECE

        def read(self, size: int = -1) -> bytes:
            asked.append(size)
            block = b"x" * min(size, self.left)
            self.left -= len(block)
            return block

    class Nowhere(io.RawIOBase):
        def write(self, block: Any) -> int:
            assert len(block) <= PIECE + 16
            return len(block)

    KEYS.seal(Endless(), Nowhere(), "file")  # type: ignore[arg-type]
    assert max(asked) <= PIECE and min(asked) > 0


PIECES = [HEAD + number * (PIECE + 16) for number in range(4)]


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda b: b[:-1], id="one byte less"),
        pytest.param(lambda b: b[: PIECES[2]], id="a piece less"),
        pytest.param(lambda b: b[:HEAD], id="no piece"),
        pytest.param(lambda b: b + b"x", id="one byte more"),
        pytest.param(lambda b: b + b[PIECES[1] : PIECES[2]], id="a piece more"),
        pytest.param(
            lambda b: b[:HEAD] + b[PIECES[1] : PIECES[2]] + b[PIECES[0] : PIECES[1]] + b[PIECES[2] :], id="swapped"
        ),
        pytest.param(lambda b: b[:HEAD] + b[PIECES[1] :], id="the first one less"),
        pytest.param(lambda b: b[:100] + bytes([b[100] ^ 1]) + b[101:], id="a bit of it"),
        pytest.param(lambda b: b[:20] + bytes([b[20] ^ 1]) + b[21:], id="a bit of the salt"),
        pytest.param(lambda b: sealed(b"", KEYS)[:HEAD] + b[HEAD:], id="another head"),
    ],
)
def test_what_was_changed_does_not_open(spoil: Any) -> None:
    whole = sealed(os.urandom(2 * PIECE + 5))
    assert opened(whole), "the control: unspoiled it opens"
    with pytest.raises(VaultError, match="not as it was written"):
        opened(spoil(whole))


def test_another_key_and_another_purpose_do_not_open_it() -> None:
    whole = sealed(b"words")
    with pytest.raises(VaultError, match="another key"):
        opened(whole, OTHER)
    with pytest.raises(VaultError, match="not as it was written"):
        opened(whole, purpose="manifest")
    with pytest.raises(VaultError, match="not a sealed file"):
        opened(b"SQLite format 3")
    both = FileKeys((*OTHER.keys, *KEYS.keys))
    assert opened(whole, both) == b"words" and both.fits(io.BytesIO(whole)) and not OTHER.fits(io.BytesIO(whole))


def test_names_are_the_same_with_a_key_and_tell_nothing_without() -> None:
    assert KEYS.names("a" * 64) == KEYS.names("a" * 64) != OTHER.names("a" * 64)
    assert len(FileKeys((*OTHER.keys, *KEYS.keys)).names("a" * 64)) == 2
    assert "a" * 64 not in KEYS.names("a" * 64)


def test_keys_are_read_or_refused_without_showing_them() -> None:
    good = [base64.b64encode(key).decode() for key in (b"1" * 32, b"2" * 32)]
    assert parse_file_keys(SecretStr("")) is None
    parsed = parse_file_keys(SecretStr(f"{good[0]}, {good[1]}"))
    assert parsed is not None and parsed.keys == (b"1" * 32, b"2" * 32) and "1111" not in repr(parsed)
    for wrong in ("secretwords", "AAAA", f"{good[0]},AAAA", f"k1:{good[0]}"):
        with pytest.raises(ConfigurationError, match="wants base64 of 32 bytes") as caught:
            parse_file_keys(SecretStr(wrong))
        assert wrong not in str(caught.value)
    assert sealed_files.PIECE == 1 << 20, "files that exist were written so"
