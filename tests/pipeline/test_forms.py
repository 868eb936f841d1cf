"""Every "yes" of docs/platforms.md goes out on the sandbox and is proved, and what the platform loses of it is found."""

from __future__ import annotations

import runpy
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from postprober.domain.delivery import DeliveryState, Proof
from postprober.domain.platform import NAMES, Platform
from postprober.pipeline.publishing.conversions import Converter
from postprober.services.media import media
from postprober.services.posts import drafts, posts
from postprober.storage import deliveries, step_log
from postprober.storage.records import Account, Delivery
from tests.installed import Installation
from tests.people import acting
from tests.pipeline.forms_kit import EARLIER, KINDS, PERSON, RECIPES, Recipe
from tests.pipeline.test_on_the_sandbox import context, drive
from tests.websites import Site, og, website

S = DeliveryState
ROOT = Path(__file__).resolve().parents[2]
EVERY = [(platform, form) for platform, forms in RECIPES.items() for form in forms]
READ = [(platform, form) for platform, form in EVERY if not RECIPES[platform][form].untold]


def told() -> dict[tuple[str, str], str]:
    """(platform, form) -> what the table says of it."""
    keys = {name: platform.value for platform, name in NAMES.items()}
    lines = runpy.run_path(str(ROOT / "docs" / "make_platforms.py"))["table"]().splitlines()
    head, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {(keys[name], cells[0]): cell for cells in rows[1:] for name, cell in zip(head[1:], cells[1:], strict=True)}


def test_every_form_that_goes_out_has_a_recipe_and_no_other() -> None:
    never = ("no", "not yet", "made by the platform", "needs a picture or video")
    going = {key for key, cell in told().items() if cell not in never and key[0] in RECIPES}
    assert set(EVERY) == going


@pytest.fixture
def site(installation: Installation) -> Iterator[Site]:
    """A web site, which also stands in for the sidecar: platforms that fetch files get them there."""
    with website() as made:

        def serve(request: BaseHTTPRequestHandler) -> None:
            token = request.path.rpartition("/")[2].rpartition(".")[0]
            found = media.open_public(installation.core, token)
            content = found.data or (found.path.read_bytes() if found.path else b"")
            request.send_response(200)
            request.send_header("Content-Type", found.mime)
            request.send_header("Content-Length", str(len(content)))
            request.end_headers()
            request.wfile.write(content)

        made.rest = serve
        installation.core.settings.public_url = made.url
        yield made


def linked(inst: Installation, platform: str, recipe: Recipe) -> Account:
    if any(PERSON in value for value in recipe.options.values() if isinstance(value, list)):
        inst.sandbox.control.account(platform, PERSON.removeprefix("@"))
    return inst.link(platform, **recipe.account)


def planned(inst: Installation, account: Account, recipe: Recipe, site: Site, folder: Path) -> Delivery:
    """The delivery of a post that a person has approved: the review doubts some of these texts."""
    actor = acting(inst.core, inst.owner)
    files = tuple(
        media.add_file(inst.core, actor, KINDS[kind](folder, n)) for n, kind in enumerate(recipe.files, start=1)
    )
    texts = recipe.texts or (f"About {account.account_name}",)
    if recipe.card:
        texts = (f"Read this: {site.html('/story', og(title='A story', image=site.picture('/story.png')))}",)
    options = dict(recipe.options)
    if EARLIER in options.values():
        plain = replace(recipe, options={}, texts=(f"An earlier post of {account.account_name}",))
        earlier = ended(inst, planned(inst, account, plain, site, folder))[0]
        link = str(earlier.remote_id if account.platform == Platform("linkedin") else earlier.url)
        options = {name: link if value == EARLIER else value for name, value in options.items()}
    new = posts.NewPost(texts, (account.id,), files, options={account.platform.value: options} if options else {})
    draft = drafts.save(inst.core, actor, new)
    post = drafts.submit(inst.core, actor, draft.id, approved=True)
    with inst.core.db.read() as conn:
        return deliveries.of_post(conn, post.id)[0]


def ended(inst: Installation, delivery: Delivery) -> tuple[Delivery, dict[str, Any]]:
    """The delivery in the end, and what its last look saw. Animations are converted on the way."""
    ctx = context(inst)
    converter, pause, end = Converter(ctx), threading.Event(), time.monotonic() + 60

    def over() -> bool:
        assert time.monotonic() < end, "it did not end in time"
        while converter.tick() or converter.busy():
            pause.wait(0.02)
        with inst.core.db.read() as conn:
            return deliveries.get(conn, delivery.id).state in (S.VERIFIED, S.FAILED, S.HELD, S.GHOST)

    drive(ctx, [delivery.id], over, limit=60)
    converter.stop()
    with inst.core.db.read() as conn:
        found = deliveries.get(conn, delivery.id)
        rows = [row for row in step_log.of_post(conn, found.post_id) if row.step == "verification"]
    assert rows, found.reason
    return found, rows[-1].details


@pytest.mark.parametrize(("platform", "form"), EVERY)
def test_it_goes_out_and_is_proved(
    installation: Installation, site: Site, tmp_path: Path, platform: str, form: str
) -> None:
    recipe = RECIPES[platform][form]
    account = linked(installation, platform, recipe)
    delivery, seen = ended(installation, planned(installation, account, recipe, site, tmp_path))
    found = (delivery.state, delivery.proof, seen["differences"])
    assert found == (S.VERIFIED, recipe.proof, []), (delivery.reason, seen)
    unread = [one for one in seen.get("notes", ()) if "not proved" in one]
    assert [recipe.untold in one for one in unread] == ([True] if recipe.untold else []), unread


@pytest.mark.parametrize(("platform", "form"), READ)
def test_what_the_platform_loses_of_it_is_found(
    installation: Installation, site: Site, tmp_path: Path, platform: str, form: str
) -> None:
    """The control: the same post, and the platform leaves out what makes the form."""
    recipe = RECIPES[platform][form]
    account = linked(installation, platform, recipe)
    delivery = planned(installation, account, recipe, site, tmp_path)
    installation.sandbox.control.fault(
        platform,
        recipe.fault,
        operation=recipe.at,
        after=recipe.after,
        params={"fields": list(recipe.lost), "instead": dict(recipe.instead)},
    )
    end, seen = ended(installation, delivery)
    if recipe.ends is not S.VERIFIED:
        assert end.state is recipe.ends, (end.reason, seen)
        return
    assert end.state is S.VERIFIED and end.proof is not Proof.MATCHES, (end.reason, seen)
    assert seen["differences"], seen
