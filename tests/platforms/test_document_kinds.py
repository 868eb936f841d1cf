"""Documents: what they are by content, how many pages they have, and hostile ones."""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

import pytest

from postprober.domain.limits import DocumentRule
from postprober.domain.platform import Platform, document_takers, known
from postprober.domain.post import Draft, MediaFile, MediaKind, Part
from postprober.domain.preflight import check
from postprober.errors import BadInput
from postprober.platforms.common import documents
from postprober.platforms.common.documents import DOCUMENTS, DocumentFacts, look
from postprober.platforms.common.media import inspect
from postprober.platforms.registry import LIMITS, SPECS
from tests.platforms.document_kit import archive, compound, docx, large_compound, pdf, pptx

LINKEDIN = LIMITS[Platform("linkedin")]


@pytest.mark.parametrize(
    ("content", "kind", "pages"),
    [
        (pdf(1), "pdf", 1),
        (pdf(7), "pdf", 7),
        (docx(5), "docx", 5),
        (docx(None), "docx", None),
        (docx(0), "docx", None),
        (pptx(4), "pptx", 4),
        (compound("WordDocument", "1Table"), "doc", None),
        (compound("PowerPoint Document"), "ppt", None),
    ],
)
def test_a_document_is_known_by_its_content(content: bytes, kind: str, pages: int | None, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"  # names are never believed
    path.write_bytes(content)
    for facts in (inspect(path), inspect(content)):
        assert (facts.kind, facts.mime, facts.pages) == (MediaKind.DOCUMENT, DOCUMENTS[kind], pages)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (pdf(2, password="secret"), "is encrypted"),
        (pdf(0), "has no pages"),
        (b"%PDF-1.7\nnothing of a PDF", "is damaged or cut off"),
        (pdf(3)[:200], "is damaged or cut off"),
        (docx()[:-40], "is damaged or cut off"),
        (pptx(0), "has no slides"),
        (compound("EncryptedPackage", "EncryptionInfo"), "is protected by a password"),
        (compound("Workbook"), "is neither a PDF nor of Word or PowerPoint"),
        (archive({"[Content_Types].xml": "", "xl/workbook.xml": ""}), "is neither a PDF nor of Word or PowerPoint"),
        (compound("WordDocument")[:600], "is damaged or cut off"),
        (compound("WordDocument", directory=0x00FFFFFF), "is damaged or cut off"),
        (archive({f"word/{n}.xml": "" for n in range(20_001)} | {"word/document.xml": ""}), "very many files"),
        (pdf(1) + archive({"evil.html": "<script>"}), "holds an archive"),
        (archive({"holiday.txt": "x"}), "holds an archive"),
    ],
)
def test_what_no_platform_can_show_is_refused_in_one_sentence(content: bytes, sentence: str) -> None:
    with pytest.raises(BadInput) as caught:
        inspect(content)
    assert sentence in caught.value.message and caught.value.message.count(". ") == 0


@pytest.mark.parametrize(("name", "suffix"), [("PowerPoint Document", "ppt"), ("WordDocument", "doc")])
def test_an_old_file_of_many_megabytes_is_read_like_a_small_one(name: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(large_compound(name))
    assert look(str(path)) == DocumentFacts(DOCUMENTS[suffix], None)


@pytest.mark.parametrize("first_more", [0xFFFFFFFE, 121, 99_999_999])
def test_an_old_file_whose_further_tables_are_not_there_is_damaged(first_more: int, tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(large_compound("WordDocument", first_more=first_more))
    with pytest.raises(BadInput, match="damaged or cut off"):
        look(str(path))


def test_a_directory_in_a_circle_ends() -> None:
    made = bytearray(compound("Workbook"))
    made[512 + 4 : 512 + 8] = (1).to_bytes(4, "little")  # the directory's second sector is its first
    with pytest.raises(BadInput, match="damaged"):
        inspect(bytes(made))


def circle_of_pages() -> bytes:
    """A tree of pages whose branches lead back to the trunk."""
    body = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Count 9/Kids[2 0 R 2 0 R]>>endobj\n"
    return body + b"trailer<</Root 1 0 R>>\n%%EOF"


def wide_tree_of_pages(deep: int = 40) -> bytes:
    """A few hundred bytes that say that they have 2^40 pages: each branch has the next one twice."""
    rows = [b"%PDF-1.4", b"1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj"]
    rows += [b"%d 0 obj<</Type/Pages/Count 9/Kids[%d 0 R %d 0 R]>>endobj" % (n, n + 1, n + 1) for n in range(2, deep)]
    rows += [b"%d 0 obj<</Type/Page/MediaBox[0 0 9 9]>>endobj" % deep, b"trailer<</Root 1 0 R>>", b"%%EOF"]
    return b"\n".join(rows)


@pytest.mark.skipif(sys.platform != "linux", reason="the helper's bounds are Linux's")
@pytest.mark.parametrize("content", [circle_of_pages(), wide_tree_of_pages()], ids=["circle", "wide"])
def test_a_document_that_would_keep_a_reader_busy_for_ever_is_given_up(
    content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTPROBER_IGNORED", "x")
    with pytest.raises(BadInput) as caught:
        inspect(content)
    assert "document" in caught.value.message


def test_what_word_says_of_its_pages_is_read_from_a_bounded_piece() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("[Content_Types].xml", "")
        made.writestr("word/document.xml", "")
        made.writestr("docProps/app.xml", b" " * 50_000_000 + b"<Pages>3</Pages>")
    assert inspect(out.getvalue()).pages is None


def file(**changes: object) -> MediaFile:
    told = {"size": 1000, "pages": 3, "name": "plan.pdf", "mime": DOCUMENTS["pdf"]} | changes
    return MediaFile(
        1, MediaKind.DOCUMENT, told["mime"], told["size"], 0, 0, "s", "/x", name=told["name"], pages=told["pages"]
    )  # type: ignore[arg-type]


PICTURE = MediaFile(2, MediaKind.IMAGE, "image/jpeg", 1000, 800, 600, "p", "/y")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ([file()], []),
        ([file(pages=None, mime=DOCUMENTS["ppt"])], []),
        ([file(pages=300, size=100_000_000)], []),
        ([file(pages=302)], [("document_too_long", 2)]),
        ([file(size=100_000_001)], [("document_too_large", 1)]),
        ([file(mime="application/x")], [("document_type", 0)]),
        ([file(), file()], [("too_many_documents", 1)]),
        ([file(), PICTURE], [("mixed_media", 0)]),
    ],
)
def test_preflight_says_by_how_much_a_document_is_over(files: list[MediaFile], expected: list[tuple[str, int]]) -> None:
    found = check(Draft((Part("see the document", tuple(files)),)), LINKEDIN).violations
    assert [(one.code, one.over) for one in found] == expected


@pytest.mark.parametrize("platform", [one for one in known() if LIMITS[one].document is None])
def test_who_takes_no_document_says_who_does(platform: Platform) -> None:
    found = check(Draft((Part("x", (file(),)),)), LIMITS[platform]).violations
    (refused,) = [one for one in found if one.code == "document_unsupported"]
    assert "LinkedIn" in refused.message and refused.message.count(". ") == 0


def test_what_a_platform_is_described_to_take_is_what_its_limits_say() -> None:
    assert {key: spec.about.documents for key, spec in SPECS.items()} == {
        key: spec.limits.document is not None for key, spec in SPECS.items()
    }
    assert document_takers() == "LinkedIn"
    assert isinstance(LINKEDIN.document, DocumentRule) and documents.SECONDS > 0


def test_a_title_needs_its_document() -> None:
    titled = {"document_title": "The plan"}
    assert check(Draft((Part("x", (file(),)),), options=titled), LINKEDIN).ok
    (found,) = check(Draft((Part("x", (PICTURE,)),), options=titled), LINKEDIN).violations
    assert found.code == "title_without_document"
