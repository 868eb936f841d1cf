"""Sentences: where they end in many languages, and that nothing of a text is ever lost."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as s

from postprober.domain.sentences import Seam, cuts, leans, pieces
from postprober.domain.text import find_urls

# Without those that somebody else wrote: their pieces are longer than what one seam promises to keep. What suggestions and threads do
# to them is measured in `tests/agent/test_long_posts.py`.
POSTS = [
    post
    for line in (Path(__file__).parents[1] / "agent" / "corpus" / "long.jsonl").read_text("utf-8").splitlines()
    if (post := json.loads(line))["set"] != "blind"
]


@pytest.mark.parametrize(
    "sentences",
    [
        [
            "Prof. Mary's Hospital is open.",
            "Dr. Smith met J. R. R. Tolkien at 9 a.m. on Monday.",
            "No. 5 is St. John's.",
        ],
        ["There were 12.", "She counted them in 2026.", "Nobody else did."],
        ["I said no.", "He left the house at last."],
        ["“We stay.” he said.”", "Then he left."],
        ['He said "Go home."', "Then she left."],
        ['"Why?" she asked.', "Nobody knew."],
        ["See https://example.org/a.b?c.", "It is v2.0.1 out.", "Wait... what?", "Hello!!! 🎉", "Next one."],
        ["It is open.", "📍 Main Street"],
        ["It fell to 4.5 per cent in 2026.", "Nobody knows why."],
        ["Am 3. Mai ist z. B. das Museum zu.", "Der 12. Dezember auch.", "Nr. 4, u. a. für Kinder.", "Das ist alles."],
        ["Rufen Sie an: 0561 99 88 77.", "Wir freuen uns."],
        ["M. Dupont est là.", "Mme. Curie aussi.", "Art. 3 dit non !", "Vraiment ?", "Oui."],
        ["La Sra. López llegó.", "EE. UU. gana.", "¿Qué?", "¡Sí!"],
        ["Dhr. Jansen komt, d.w.z. morgen.", "Mevr. De Vries ook."],
        ["Spotkanie 3. maja o godz. 18 w Łodzi.", "Zapraszamy."],
        ["Prof. Dr. Ayşe geldi.", "Toplantı 3. katta.", "Bitti."],
        ["А. С. Пушкин родился в 1799 г. в Москве, ул. Ленина, д. 5, и т. д. и т. п. у нас.", "Вот так было."],
        ["今日は休みです。", "明日は開きます！", "「はい。」と言った。"],
        ["我们今天休息。", "明天开放！", "“好的。”他说。"],
        ["هل أنت هنا؟", "نعم أنا.", "قال د. سامي ذلك."],
        ["זה לא נכון.", 'המחיר 35 ש"ח.', "יש שאלות?", "כתבו לנו."],
        ["यह है।", "वह है।"],
        ["Τι είναι;", "Αυτό εδώ."],
        ["Բարև։", "Ինչպես ես։"],
        ["the shop is open.", "nobody uses capitals here.", "we meet at no. 12 then."],
    ],
    ids=lambda found: found[0][:20],
)
def test_sentences_end_where_people_end_them(sentences: list[str]) -> None:
    blank = "" if sentences[0][-1] in "。！" else " "
    assert [piece.strip() for piece in pieces(blank.join(sentences))] == sentences


def test_lines_and_paragraphs_end_sentences_but_a_wrapped_line_does_not() -> None:
    assert [
        one.strip() for one in pieces("Open:\n- Mon 9 a.m.\n- Tue 10 a.m.\n\nWe are closed\non Sundays.\nCome!")
    ] == [
        "Open:",
        "- Mon 9 a.m.",
        "- Tue 10 a.m.",
        "We are closed\non Sundays.",
        "Come!",
    ]


@pytest.mark.parametrize(
    "sentence", ["It is true.", "“But why?”", "Aber nein.", "Поэтому да.", "しかし違う。", "Therefore, yes"]
)
def test_a_sentence_that_leans_on_the_one_before_is_known(sentence: str) -> None:
    assert leans(sentence) and not leans("Museums are open.")


TEXTS = s.one_of(
    s.text(max_size=300),
    s.lists(
        s.sampled_from(
            ["Dr. ", "No. 5", ". ", "。", "\n", "“", "”", "x.org ", "A", "b", "🎉", "! ", "? ", "(", ") ", "3. "]
        ),
        max_size=80,
    ).map("".join),
)


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_the_pieces_joined_are_the_text(text: str) -> None:
    assert "".join(pieces(text)) == text
    found = cuts(text)
    assert [cut.start for cut in found] == sorted({cut.start for cut in found})
    assert not any(span.start < cut.start < span.end for span in find_urls(text) for cut in found)


@pytest.mark.parametrize("post", POSTS, ids=lambda post: post["id"])
def test_no_cut_goes_through_what_must_stay_whole(post: dict[str, list[str]]) -> None:
    text = str(post["text"])
    assert "".join(pieces(text)) == text
    for whole in post["no_cut_inside"]:
        begin = text.find(whole)
        sure = [cut.start for cut in cuts(text) if cut.seam <= Seam.WORDS]
        assert not [place for place in sure if begin < place < begin + len(whole)], whole


@pytest.mark.parametrize(
    "piece",
    [
        ".",
        ". ",
        "a. ",
        '"',
        "(",
        "!",
        "Mr. ",
        "a.b",
        "“",
        "„ ",
        "🎉",
        "\n",
        " \n",
        "A ",
        "1 ",
        "」",
        "。」",
        "»",
        " ",
        "[",
        "1.",
        "; ",
    ],
)
def test_no_text_makes_it_slow(piece: str) -> None:
    began = time.thread_time()
    pieces((piece * 10_000)[:10_000] + ".")
    assert time.thread_time() - began < 5
