"""The command line: `python -m postprober …`. Exit codes: 0 done, 2 bad input, 3 failed, 4 held or unconfirmed."""

from __future__ import annotations

import getpass
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from postprober import __version__, extras, launch
from postprober.cli import agents, operate, remote
from postprober.cli import publish as cli_publish
from postprober.cli import report as cli_report
from postprober.cli import review as cli_review
from postprober.cli import suggest as cli_suggest
from postprober.cli.demo import seed
from postprober.cli.output import console, emit, fail, say
from postprober.client import RestClient
from postprober.client.shapes import NewPostJson
from postprober.clock import SystemClock
from postprober.domain.actor import COMMAND_LINE, Actor
from postprober.domain.card import CardChoice
from postprober.domain.limits import Limits
from postprober.domain.mentions import as_names
from postprober.domain.options import fields_of, parse
from postprober.domain.platform import NAMES, Platform, ReconcileMode, described, known, parse_platform
from postprober.domain.post import Draft, Part
from postprober.domain.preflight import check
from postprober.errors import BadInput, Conflict, PlatformError, PostProberError
from postprober.platforms.registry import SPECS
from postprober.security import log_redaction
from postprober.services.accounts import account_groups, accounts, browser_accounts, mentions, pages
from postprober.services.core import Core
from postprober.services.media import media as media_service
from postprober.services.monitoring import ghosts, monitoring
from postprober.services.operations import doctor, keys, upgrade
from postprober.services.people import passwords, people, permits, second_factor, users
from postprober.services.posts import delivery_actions, edit_failed, posts
from postprober.services.posts.gate import ReviewNeeded
from postprober.services.posts.options import typed
from postprober.services.posts.times import parse_time
from postprober.settings import Settings, load_settings
from postprober.storage import move
from postprober.storage import users as user_storage
from postprober.storage.database import Database, newest_schema
from postprober.storage.records import User
from postprober.wiring import build_core, build_scheduler, calm_garbage_collector, close_core

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None, help=__doc__
)
user_app = typer.Typer(no_args_is_help=True, help="People.")
account_app = typer.Typer(no_args_is_help=True, help="Linked accounts.")
key_app = typer.Typer(no_args_is_help=True, help="Vault keys.")
app.add_typer(user_app, name="user")
app.add_typer(account_app, name="accounts")
app.add_typer(key_app, name="keys")
app.command("suggest")(cli_suggest.suggest)
app.command("review")(cli_review.command)

BAD_INPUT, FAILED = 2, 3
MOST_NAMED = 20  # rows of a table that a message names
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
ApproveOption = Annotated[
    str, typer.Option("--approve", help="The code that was printed: approve words that the review holds.")
]
UserOption = Annotated[str, typer.Option("--user", help="E-mail of the user; the first one if left out.")]


# What can be done on an installation elsewhere. The rest is done where it is installed.
REMOTE = frozenset(
    {
        "accounts",
        "ghost",
        "login",
        "mcp",
        "platforms",
        "posts",
        "preflight",
        "publish",
        "upload",
        "report",
        "retry",
        "review",
        "rewrite",
        "suggest",
    }
)
_opened: list[Core] = []


def _say_version(wanted: bool) -> None:
    if wanted:
        say(f"PostProber {__version__} (schema {newest_schema()})")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    server: Annotated[
        str, typer.Option(envvar="POSTPROBER_SERVER", help="Work on the installation at this address, with a token.")
    ] = "",
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version and the schema's."),
    ] = False,
) -> None:
    """The command line: `python -m postprober …`. Exit codes: 0 done, 2 bad input, 3 failed, 4 held or unconfirmed."""
    remote.chosen.server = server
    if server and context.invoked_subcommand not in REMOTE:
        raise BadInput(f"{context.invoked_subcommand} works where PostProber is installed; leave --server out.")


@contextmanager
def elsewhere() -> Iterator[RestClient]:
    """The client of the server that `--server` names."""
    client = remote.client_for(remote.chosen.server)
    try:
        yield client
    finally:
        client.close()


def open_core(settings: Settings | None = None) -> Core:
    """The installation, closed again when the command ends. Raises BadInput with `--server`."""
    if remote.chosen.server:
        raise BadInput("This works where PostProber is installed; leave --server out.")
    core = build_core(settings)
    _opened.append(core)
    return core


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        app()
    except PostProberError as error:
        fail(error)
        sys.exit(FAILED if isinstance(error, PlatformError) else BAD_INPUT)
    finally:
        while _opened:
            close_core(_opened.pop())


def the_user(core: Core, email: str) -> User:
    """The named user, or the first. Raises BadInput."""
    with core.db.read() as conn:
        user = user_storage.by_email(conn, email.strip().lower()) if email else user_storage.first(conn)
    if user is None:
        raise BadInput(
            f"There is no user {email}." if email else "There is no user yet; make one with: user create EMAIL"
        )
    return user


def acting(core: Core, email: str) -> Actor:
    """The same, for whom a command acts. Raises BadInput."""
    return permits.of_user(the_user(core, email), COMMAND_LINE)


@user_app.command("create")
def user_create(
    email: Annotated[str, typer.Argument(help="E-mail address.")],
    name: str = "",
    zone: Annotated[str, typer.Option(help="IANA time zone, for example Europe/Berlin.")] = "UTC",
) -> None:
    """Make a user; the password is read from stdin (or asked for), never from the command line."""
    password = getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    core = open_core()
    say(f"User {users.create(core, email=email, password=password, name=name, zone=zone)} created.")


@user_app.command("second-factor-off")
def user_second_factor_off(email: Annotated[str, typer.Argument(help="E-mail address.")]) -> None:
    """Turn off two-factor authentication for a person who lost the app and the recovery codes; an alert says so."""
    core = open_core()
    user = the_user(core, email)
    second_factor.take_off(core, user, "The operator")
    say(f"Two-factor authentication is off for {user.email}.")


@user_app.command("reset")
def user_reset(email: Annotated[str, typer.Argument(help="E-mail address.")]) -> None:
    """Print a link under which this user chooses a new password; it works once, for half an hour."""
    core = open_core()
    emit(passwords.link(core, the_user(core, email).id))


@account_app.command("add")
def account_add(
    platform: Annotated[str, typer.Option(help=f"One of {', '.join(known())}.")],
    name: Annotated[str, typer.Option(help="What to call it.")] = "",
    instance: Annotated[str, typer.Option(help="The account's server, on platforms where accounts have one.")] = "",
    remote_id: Annotated[str, typer.Option(help="The platform's id of the account, if known.")] = "",
    by: Annotated[str, typer.Option(help="browser: through the platform's web pages (experimental).")] = "",
    accept_terms: Annotated[
        bool, typer.Option("--accept-terms", help="With --by browser: you accept the risk.")
    ] = False,
    user: UserOption = "",
    as_json: Json = False,
) -> None:
    """Link an account; the token JSON (with --by browser: a stored session) is read from stdin. Prints the account id.

    The JSON has what the platform asks for (`platforms` lists it), elsewhere {"access_token", "refresh_token"?,
    "expires_at"?}."""
    chosen = parse_platform(platform)
    if by not in ("", "browser"):
        raise BadInput(f"There is no way called {by!r}; leave --by out, or give: browser.", field="by")
    raw = _stdin_text()
    if by:
        core = open_core()
        linked = browser_accounts.link(core, acting(core, user), chosen, raw, accepted=accept_terms)
        emit(
            {"account_id": linked.id, "platform": chosen.value, "name": browser_accounts.called(linked)}
            if as_json
            else linked.id
        )
        return
    try:
        data = json.loads(raw)
    except ValueError:
        raise BadInput('stdin is not a JSON object; give for example {"access_token": "…"}.') from None
    if remote.chosen.server:
        remote.refuse(user=user, name=name, remote_id=remote_id)
        with elsewhere() as client:
            remote.link(client, chosen, data, instance, as_json=as_json)
        return
    core = open_core()
    account = accounts.add_by_token(
        core, acting(core, user), chosen, data, name=name, instance=instance, remote_id=remote_id
    )
    if as_json:
        emit({"account_id": account.id, "platform": chosen.value, "name": account.account_name})
    else:
        emit(account.id)


@account_app.command("list")
def account_list(user: UserOption = "", as_json: Json = False) -> None:
    """Linked accounts."""
    if remote.chosen.server:
        remote.refuse(user=user)
        with elsewhere() as client:
            remote.accounts(client, as_json=as_json)
        return
    core = open_core()
    rows = [
        {"id": a.id, "platform": a.platform.value, "name": a.account_name, "status": a.status, "instance": a.instance}
        for a in accounts.listing(core, acting(core, user))
    ]
    cli_publish.show_rows(rows, as_json)


@account_app.command("groups")
def account_groups_list(user: UserOption = "", as_json: Json = False) -> None:
    """Groups of accounts, for `publish --group`."""
    if remote.chosen.server:
        remote.refuse(user=user)
        with elsewhere() as client:
            cli_publish.show_rows([dict(one) for one in client.account_groups()], as_json)
        return
    core = open_core()
    cli_publish.show_rows([asdict(one) for one in account_groups.listing(core, acting(core, user))], as_json)


@account_app.command("group")
def account_group(
    name: str,
    account: Annotated[list[int] | None, typer.Option(help="Account id; several times for several accounts.")] = None,
    delete: Annotated[bool, typer.Option("--delete", help="Delete the group; its accounts stay linked.")] = False,
    user: UserOption = "",
) -> None:
    """Make the group NAME of these accounts, or give it these accounts; or delete it."""
    if delete and account:
        raise BadInput("Give accounts or --delete, not both.")
    if remote.chosen.server:
        remote.refuse(user=user)
        with elsewhere() as client:
            if delete:
                client.delete_account_group(name)
            else:
                client.save_account_group(name, account or [])
        say("Deleted." if delete else "Saved.")
        return
    core = open_core()
    actor = acting(core, user)
    if delete:
        account_groups.remove(core, actor, name)
    else:
        account_groups.save(core, actor, name, account or [])
    say("Deleted." if delete else "Saved.")


@account_app.command("pages")
def account_pages(
    account_id: int,
    link: Annotated[str, typer.Option(help="Link this page (its id); prints the new account's id.")] = "",
    user: UserOption = "",
    as_json: Json = False,
) -> None:
    """List the pages that a linked person may post for, or link one of them as an account of its own."""
    core = open_core()
    if link:
        made = pages.link(core, acting(core, user), account_id, link)
        emit(
            {"account_id": made.id, "platform": made.platform.value, "name": made.account_name} if as_json else made.id
        )
        return
    cli_publish.show_rows([asdict(one) for one in pages.listing(core, acting(core, user), account_id)], as_json)


@account_app.command("mention")
def account_mention(account_id: int, name: str, user: UserOption = "", as_json: Json = False) -> None:
    """Find who can be mentioned by NAME, and what to write into a post for it."""
    core = open_core()
    found = mentions.find(core, acting(core, user), account_id, name)
    cli_publish.show_rows([asdict(one) for one in found], as_json)


@account_app.command("remove")
def account_remove(account_id: int, user: UserOption = "") -> None:
    """Unlink an account and withdraw its token where the platform offers that."""
    if remote.chosen.server:
        remote.refuse(user=user)
        with elsewhere() as client:
            client.unlink(account_id)
        say("Removed.")
        return
    core = open_core()
    revoked = accounts.remove(core, acting(core, user), account_id)
    say("Removed; the token was withdrawn." if revoked else "Removed; withdraw the access at the platform yourself.")


@app.command("platforms")
def list_platforms(as_json: Json = False) -> None:
    """The platforms that there are: how accounts are linked, what a post may hold, and how it is proved."""
    for platform, spec in SPECS.items():
        limits, traits = spec.limits, spec.traits
        most = {"images": limits.images.max_count, "gif": limits.gif is not None, "video": limits.video is not None}
        most["document"], most["subtitles"] = limits.document is not None, limits.subtitles is not None
        # Whoever may read the list of own posts can prove that one is not there.
        unknown = "looked for" if traits.mode is ReconcileMode.RECONCILE else "held for a person"
        if as_json:
            emit(
                {
                    "key": platform.value,
                    "title": NAMES[platform],
                    "linking": list(spec.linking),
                    "fields": [asdict(one) for one in spec.token.fields] if spec.token else [],
                    "options": [asdict(one) for one in fields_of(spec.about.options)],
                    "limits": {
                        "length": limits.max_length,
                        "with_media": limits.of_part(with_media=True).max_length,
                        "unit": limits.unit,
                        "threads": limits.threads,
                        **most,
                    },
                    "proof": {"unknown": unknown, "answers_strangers": spec.public is not None},
                }
            )
            continue
        media = ", ".join(
            [f"{most['images']} images", *(name for name in ("gif", "video", "document", "subtitles") if most[name])]
        )
        asked = f" ({', '.join(one.name for one in spec.token.fields)})" if spec.token else ""
        length = f"{limits.max_length} {limits.unit}" + (
            f", {limits.max_with_media} with media" if limits.max_with_media else ""
        )
        options = ", ".join(one.name for one in fields_of(spec.about.options))
        say(
            f"{NAMES[platform]}: {length}; {media}; linked by {' or '.join(spec.linking)}{asked}; "
            f"an unclear answer is {unknown}" + (f"; options: {options}" if options else "")
        )


@app.command()
def preflight(
    platform: Annotated[str, typer.Option(help="Key of the platform, as `platforms` lists it.")] = "",
    account: Annotated[int, typer.Option(help="Check for this linked account, by its own limits and posts.")] = 0,
    long_posts: Annotated[
        bool, typer.Option("--long-posts", help="As for an account that pays for longer posts.")
    ] = False,
    option: Annotated[list[str] | None, typer.Option(help="NAME=VALUE; several times.")] = None,
    user: UserOption = "",
    as_json: Json = False,
) -> None:
    """Check a text (stdin) against a platform's limits, or against what one account may write and has written; exit code 2
    when it would be refused."""
    if bool(platform) == bool(account) or (long_posts and account):
        raise BadInput(
            "Name a platform with --platform, and --long-posts if the account pays for that, or an --account."
        )
    if account:
        if remote.chosen.server:
            remote.refuse(account=str(account), user=user)
        core = open_core()
        actor = acting(core, user)
        chosen = accounts.get(core, actor, account).platform
        asked = typed([f"{chosen.value}.{one}" for one in option or []])
        result = posts.check(core, actor, posts.NewPost((_stdin_text(),), (account,), options=asked))[account]
    else:
        chosen = parse_platform(platform)
        asked = typed([f"{chosen.value}.{one}" for one in option or []])
        stored = parse(described(chosen).options, asked.get(chosen.value, {}), NAMES[chosen])
        result = check(
            Draft((Part(as_names(_stdin_text(), but=chosen)),), options=stored), _limits(chosen, long_posts=long_posts)
        )
    if as_json:
        told: dict[str, Any] = {
            "platform": chosen.value,
            "ok": result.ok,
            "length": result.length,
            "limit": result.limit,
            "violations": [{"code": v.code, "message": v.message, "over": v.over} for v in result.violations],
        }
        if account:  # only an account has earlier posts
            told["notes"] = [asdict(note) for note in result.notes]
        emit(told)
    else:
        say(f"{NAMES[chosen]}: {result.length} of {result.limit}. {'Fits.' if result.ok else ''}")
        for violation in result.violations:
            say(f"- {violation.message}")
        for note in result.notes:
            say(f"- Note: {note.message}")
    raise typer.Exit(0 if result.ok else BAD_INPUT)


def _limits(platform: Platform, *, long_posts: bool) -> Limits:
    """Raises BadInput where nobody can pay for longer posts."""
    spec = SPECS[platform]
    if long_posts and spec.long_limits is None:
        raise BadInput(f"{NAMES[platform]} has no subscription for longer posts; leave out --long-posts.")
    return spec.long_limits if long_posts and spec.long_limits else spec.limits


def _stdin_text() -> str:
    try:
        return sys.stdin.buffer.read().decode("utf-8").removesuffix("\n")
    except UnicodeDecodeError:
        raise BadInput("The text is not UTF-8.") from None


@app.command()
def publish(
    text: Annotated[list[str], typer.Option(help="The text; give it several times for a thread.")],
    account: Annotated[
        list[int] | None, typer.Option(help="Account id; give it several times for several accounts.")
    ] = None,
    group: Annotated[
        list[str] | None, typer.Option(help="All accounts of this group; several times for several groups.")
    ] = None,
    media: Annotated[list[Path] | None, typer.Option(help="File; several times for several.")] = None,
    alt: Annotated[list[str] | None, typer.Option(help="Alt text of the file in the same place.")] = None,
    at: Annotated[str, typer.Option(help="When, ISO 8601 with offset; now if left out.")] = "",
    late_minutes: Annotated[int | None, typer.Option(help="How late it may still go out without asking.")] = None,
    wait: Annotated[bool, typer.Option(help="Stay until it is proved, failed or held.")] = False,
    propose: Annotated[bool, typer.Option("--propose", help="Let a person decide in the app.")] = False,
    key: Annotated[str, typer.Option(help="Your own name for the post: there is never a second one with it.")] = "",
    option: Annotated[
        list[str] | None,
        typer.Option(help="PLATFORM.NAME=VALUE, by the names that `platforms` lists; several times."),
    ] = None,
    no_card: Annotated[bool, typer.Option("--no-card", help="Send no card of the link.")] = False,
    card_title: Annotated[str, typer.Option(help="Title of the link card instead of the page's own.")] = "",
    card_description: Annotated[str, typer.Option(help="Description of the link card, in the same way.")] = "",
    timeout: Annotated[float, typer.Option(help="With --wait: at most so many seconds.")] = 900.0,
    user: UserOption = "",
    as_json: Json = False,
) -> None:
    """Publish to one or more accounts."""
    asked = typed(option or [])
    card = CardChoice(no_card, card_title, card_description)
    card.check()
    if remote.chosen.server:
        remote.refuse(user=user)
        post: NewPostJson = {"content": text, "account_ids": []}
        if at:
            post["scheduled_at"] = parse_time(at, SystemClock().now()).isoformat()
        if late_minutes is not None:
            post["late_minutes"] = late_minutes
        if asked:
            post["options"] = asked
        if key:
            post["key"] = key
        if card:
            post["card"] = {"drop": card.drop, "title": card.title, "description": card.description}
        with elsewhere() as client:
            post["account_ids"] = cli_publish.targets(account or [], group or [], client.account_groups)
            made, decide_at = remote.publish(client, post, tuple(media or ()), tuple(alt or ()), propose=propose)
            if decide_at and not as_json:
                say(f"A person decides about post {made} at {decide_at}")
            raise typer.Exit(remote.follow(client, made, wait=wait, as_json=as_json, limit=timeout))
    core = open_core()
    actor = acting(core, user)
    wanted = cli_publish.targets(
        account or [], group or [], lambda: [asdict(one) for one in account_groups.listing(core, actor)]
    )
    request = cli_publish.Request(
        tuple(wanted), tuple(text), tuple(media or ()), tuple(alt or ()), at, late_minutes, propose, key, asked, card
    )
    post_id = cli_publish.create(core, actor, request)
    code = cli_publish.follow(core, actor, post_id, wait=wait, as_json=as_json, limit=timeout)
    raise typer.Exit(code)


@app.command()
def upload(
    files: Annotated[list[Path], typer.Argument(help="Pictures or videos.")],
    alt: Annotated[list[str] | None, typer.Option(help="Alt text of the file in the same place.")] = None,
    user: UserOption = "",
    as_json: Json = False,
) -> None:
    """Store files for posts to come; prints their ids. A file of any size that your accounts take; one that was interrupted
    goes on where it stopped when the command is given again."""
    if len(alt or ()) > len(files):
        raise BadInput("There are more alt texts than files.")
    alts = [*(alt or ()), *[""] * (len(files) - len(alt or ()))]
    if remote.chosen.server:
        remote.refuse(user=user)
        with elsewhere() as client:
            for path, words in zip(files, alts, strict=True):
                made = remote.upload(client, path, words)
                emit({"media_id": made["id"], "name": made["name"], "kind": made["kind"]} if as_json else made["id"])
        return
    core = open_core()
    actor = acting(core, user)
    for path, words in zip(files, alts, strict=True):
        record = media_service.get(core, actor, media_service.add_file(core, actor, path, words))
        emit({"media_id": record.id, "name": record.name, "kind": record.kind} if as_json else record.id)


@app.command("posts")
def list_posts(user: UserOption = "", limit: int = 20, as_json: Json = False) -> None:
    """The newest posts."""
    if remote.chosen.server:
        remote.refuse(user=user)
        with elsewhere() as client:
            remote.posts(client, limit, as_json=as_json)
        return
    core = open_core()
    rows = []
    for view in monitoring.recent_views(core, acting(core, user), limit):
        states = ", ".join(f"{d.platform}: {d.delivery.state.value}" for d in view.deliveries)
        rows.append(
            {"id": view.post.id, "status": view.post.status, "text": view.post.content[:60], "deliveries": states}
        )
    cli_publish.show_rows(rows, as_json)


@app.command()
def retry(post_id: int, user: UserOption = "") -> None:
    """Send the failed deliveries of a post again, and only those."""
    if remote.chosen.server:
        remote.refuse(user=user)
        with elsewhere() as client:
            client.retry(post_id)
        say("What failed is sent again.")
        return
    core = open_core()
    say(f"{delivery_actions.retry(core, acting(core, user), post_id)} deliveries will be retried.")


@contextmanager
def _saying_how_to_approve() -> Iterator[None]:
    """What the review holds can be approved by the code in the message."""
    try:
        yield
    except ReviewNeeded as error:
        raise Conflict(f"{error.message} To approve exactly this text, add --approve {error.digest}") from None


@app.command()
def rewrite(
    delivery_id: int,
    text: Annotated[list[str], typer.Option("--text", help="The new text; once for each part of a thread.")],
    approve: ApproveOption = "",
    user: UserOption = "",
) -> None:
    """Send a failed delivery with other words. They are checked and reviewed first."""
    if remote.chosen.server:
        remote.refuse(user=user, approve=approve)
        with elsewhere() as client:
            client.rewrite(delivery_id, text)
        say("Publishing…")
        return
    core = open_core()
    with _saying_how_to_approve():
        edit_failed.rewrite(core, acting(core, user), delivery_id, text, approve)
    say("Publishing…")


@app.command()
def ghost(
    delivery_id: int,
    do: Annotated[str, typer.Argument(help="check, acknowledge or publish-again.")],
    accept_risk: Annotated[bool, typer.Option("--accept-risk", help=ghosts.RISK)] = False,
    approve: ApproveOption = "",
    user: UserOption = "",
) -> None:
    """Decide about a post that its platform accepted and nobody can see. To publish it again, its words are reviewed."""
    if remote.chosen.server:
        if do not in ("check", "acknowledge", "publish-again"):
            raise BadInput("Choose check, acknowledge or publish-again.", field="do")
        remote.refuse(user=user, approve=approve)
        with elsewhere() as client:
            client.ghost(delivery_id, do, risk_accepted=accept_risk)
        say("Done.")
        return
    core = open_core()
    actor = acting(core, user)
    if do == "check":
        ghosts.check_again(core, actor, delivery_id)
    elif do == "acknowledge":
        ghosts.acknowledge(core, actor, delivery_id)
    elif do == "publish-again":
        with _saying_how_to_approve():
            ghosts.publish_again(core, actor, delivery_id, risk_accepted=accept_risk, approved=approve)
    else:
        raise BadInput("Choose check, acknowledge or publish-again.", field="do")
    say("Done.")


@app.command()
def login() -> None:
    """With --server: keep an API token (stdin) in this machine's keyring."""
    if not remote.chosen.server:
        raise BadInput("Say where: --server https://post.example.org login", field="server")
    token = getpass.getpass("API token: ") if sys.stdin.isatty() else sys.stdin.readline().strip()
    remote.keep(remote.chosen.server, token)


@app.command()
def mcp(user: UserOption = "") -> None:
    """Tools for an agent (Model Context Protocol) over standard input and output. They propose; a person publishes."""
    log_redaction.to_stream("mcp")
    if remote.chosen.server:
        remote.refuse(user=user)
        agents.serve_remote(remote.chosen.server)
        return
    core = open_core()
    agents.serve_here(core, the_user(core, user))


@app.command()
def report(
    post_id: Annotated[int | None, typer.Argument(help="The post; leave it out for a period.")] = None,
    first: Annotated[str, typer.Option("--from", help="First day of a period, such as 2026-03-01.")] = "",
    last: Annotated[str, typer.Option("--to", help="Its last day, included.")] = "",
    form: Annotated[str, typer.Option("--format", help="text, html, pdf, csv or parquet.")] = "text",
    out: Annotated[Path | None, typer.Option(help="The file to write; for text the screen if left out.")] = None,
    user: UserOption = "",
    as_json: Json = False,
) -> None:
    """What happened to a post (steps, proof, attempts), or in a period; on the screen or as a file."""
    wish = cli_report.Wish(post_id, first, last, form, out, as_json)
    if remote.chosen.server:
        remote.refuse(user=user)
        with elsewhere() as client:
            remote.report(client, wish)
        return
    core = open_core()
    cli_report.run(core, acting(core, user), wish)


@key_app.command("rotate")
def keys_rotate() -> None:
    """Seal every secret with the first key of POSTPROBER_VAULT_KEYS. Safe to kill and run again."""
    core = open_core()
    rotated = keys.rotate(core)
    say(f"{rotated.done} secrets re-sealed with key {core.vault.current!r}; {keys.left(core)} left on older keys.")
    if rotated.unreadable:
        say(
            f"{len(rotated.unreadable)} secrets cannot be opened with any key and were left as they are: "
            f"{', '.join(rotated.unreadable)}. Reconnect those accounts, or set those channels up again."
        )
        raise typer.Exit(FAILED)


app.command()(operate.backup)
app.command()(operate.restore)


@app.command("migrate-to")
def migrate_to(url: Annotated[str, typer.Argument(help="postgresql://… of an empty database; -: from stdin.")]) -> None:
    """Move this SQLite installation to PostgreSQL while it runs. Safe to kill and run again.

    Everybody on the machine can read a command line: give an address that has a password on stdin.
    """
    url = _stdin_text().strip() if url == "-" else url
    if not url.startswith("postgresql"):
        raise BadInput("Give an address such as postgresql://user:password@host/name.", field="url")
    settings = load_settings()
    source, target = Database(settings.database), Database(load_settings(database_url=url).database)
    try:
        upgrade.migrate(settings, source, SystemClock().now())
        done = move.move(source, target)
    finally:
        source.close()
        target.close()
    say(
        f"Moved and compared {sum(done.rows.values())} rows of {len(done.rows)} tables. The old database is read-only "
        "now: set POSTPROBER_DATABASE_URL to the new one and restart."
    )
    for table, ids in done.changed.items():
        more = f" and {len(ids) - MOST_NAMED} more" if len(ids) > MOST_NAMED else ""
        say(
            f"PostgreSQL cannot store NUL, half a surrogate pair, NaN in JSON, or text longer than its column; rows "
            f"changed in {table}: {', '.join(map(str, ids[:MOST_NAMED]))}{more}."
        )


@app.command("doctor")
def doctor_command(as_json: Json = False) -> None:
    """Check the installation; exit code 3 when something needs attention."""
    core = open_core()
    findings = doctor.examine(core)
    if as_json:
        emit([vars(f) for f in findings])
    else:
        for f in findings:
            mark = "[green]ok  [/]" if f.ok else "[red]FAIL[/]"
            console.print(f"{mark} {f.name}: {escape(f.message)}", highlight=False)
    raise typer.Exit(0 if all(f.ok for f in findings) else FAILED)


@app.command("scheduler", hidden=True)
def run_scheduler() -> None:
    """The scheduler alone (the same as `python scheduler.py`)."""
    log_redaction.to_stream("scheduler")
    try:
        core = build_core()
    except PostProberError as error:
        fail(error)
        sys.exit(BAD_INPUT)
    calm_garbage_collector()
    scheduler = build_scheduler(core, core.settings.workers)
    _on_signals(scheduler.stop)
    if not scheduler.run():
        os._exit(1)  # it must not wait for threads that hang; what they had in hand is taken over as after a kill
    close_core(core)


@app.command()
def serve(name: Annotated[str, typer.Argument(help=", ".join(launch.SERVED) + ".")]) -> None:
    """Run one process alone, for services of the operating system."""
    if name not in launch.SERVED:
        raise BadInput(f"Choose one of {', '.join(launch.SERVED)}.", field="name")
    launch.become(name, load_settings())


@app.command()
def up() -> None:
    """Start sidecar, scheduler and app (and the sandbox in sandbox mode); stop with Ctrl-C."""
    _run_supervisor(seeding=False)


@app.command()
def demo() -> None:
    """Everything on the sandbox with a user, linked accounts and live posts; prints the URL and the sign-in."""
    _run_supervisor(seeding=True)


app.command()(operate.status)
app.command()(operate.stop)
app.command()(operate.logs)
app.command()(operate.growth)


def _run_supervisor(*, seeding: bool) -> None:
    settings = load_settings()
    if seeding and not settings.sandbox:
        raise BadInput("The demo runs on the sandbox only; set POSTPROBER_MODE=sandbox.")
    lock = launch.FolderLock(settings.data_dir)
    lock.take()
    core = build_core(settings)
    family = launch.Supervisor.of(settings)
    _on_signals(family.stopping.set)
    try:
        launch.start_all(family)
        if seeding:
            email, password = seed(core)
            say(
                f"\nPostProber is running on the sandbox (nothing leaves this machine).\n\n"
                f"  Open     {_front(settings)}\n  Sign in  {email}\n  Password {password}\n\n"
                f"The emulated platforms, with a page to inject faults: {settings.sandbox_url}\nStop with Ctrl-C."
            )
        else:
            say(f"PostProber is running: {_front(settings)}  (stop with Ctrl-C)")
            if extras.has("app") and people.nobody_yet(core):
                say(f"No users yet. Create your account at {settings.app_base}/?setup={people.setup_token(core)}")
        close_core(core)
        family.hand_over(lock.descriptor)
    finally:
        family.stop()
        lock.free()
        close_core(core)


def _front(settings: Settings) -> str:
    """What a person opens: the app, or without it the pages that describe the API."""
    return settings.app_base if extras.has("app") else f"{settings.browser_base}/api/docs"


def _on_signals(stop: Callable[[], Any]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        if threading.current_thread() is threading.main_thread():
            signal.signal(number, lambda *_: stop())
