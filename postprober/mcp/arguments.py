"""What the tools take. Unknown names are refused: a misspelt one would be silently left out of what goes public."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

MOST_TEXT = 100_000  # characters of one text, as in the API
Id = Annotated[int, Field(ge=1, le=2**53 - 1)]
Text = Annotated[str, Field(max_length=MOST_TEXT)]
TEXTS = "The text; several make a thread"
AT = "When, with offset or zone: 2027-03-01T09:00:00+01:00 or 2027-03-01 09:00 Europe/Berlin. Empty: at once"


class Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    @classmethod
    def schema_of(cls) -> dict[str, Any]:
        """JSON Schema, as short as it can be."""
        schema: dict[str, Any] = bare(cls.model_json_schema())
        return schema


# Titles say each name once more, and bounds are said when they are passed: together half of what a model would have to read.
_LEFT_OUT = frozenset({"title", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "pattern"})


def bare(schema: Any) -> Any:
    """What a model needs of a schema; the arguments themselves are checked by the whole one."""
    if isinstance(schema, dict):
        kept = {name: bare(value) for name, value in schema.items() if name not in _LEFT_OUT}
        if "default" in kept and not kept["default"]:
            del kept["default"]  # what is left out is empty
        kept.pop("properties", None)
        fields = {name: bare(value) for name, value in schema.get("properties", {}).items()}
        return {**kept, "properties": fields} if "properties" in schema else kept
    return [bare(one) for one in schema] if isinstance(schema, list) else schema


# Platform or account id -> what `limits_and_options` names -> value.
Options = Annotated[dict[str, dict[str, Any]], WithJsonSchema({"type": "object"})]


class Nothing(Arguments):
    pass


class OfAccount(Arguments):
    account_id: Id


class OfPost(Arguments):
    post_id: Id


class OfDelivery(Arguments):
    delivery_id: Id


class PostArguments(Arguments):
    """A post."""

    texts: list[Text] = Field(min_length=1, max_length=25, description=TEXTS)
    account_ids: list[Id] = Field(max_length=100, description="From list_accounts")
    media_ids: list[Id] = Field(default=[], max_length=20)
    at: str = Field(default="", max_length=80, description=AT)
    account_texts: dict[str, list[Text]] = Field(default={}, description="Own texts of single accounts, by id")
    language: str = Field(default="", max_length=35, description="BCP 47")
    options: Options = {}


class UpdateArguments(PostArguments):
    post_id: Id
    version: int = Field(ge=1, description="From get_post: the version that you read")


class ProposalArguments(Arguments):
    draft_id: Id | None = Field(default=None, description="A draft as it stands; then nothing else")
    texts: list[Text] = Field(default=[], max_length=25, description=TEXTS)
    account_ids: list[Id] = Field(default=[], max_length=100)
    media_ids: list[Id] = Field(default=[], max_length=20)
    at: str = Field(default="", max_length=80, description="As in create_draft")
    account_texts: dict[str, list[Text]] = {}
    language: str = Field(default="", max_length=35)
    options: Options = {}
    key: str = Field(
        default="", max_length=200, pattern=r"^[\x21-\x7e]*$", description="Your own name; never a second post with it"
    )


class ListArguments(Arguments):
    status: str = Field(default="", max_length=20, description="draft, review, scheduled, posting, posted, failed …")
    limit: int = Field(default=10, ge=1, le=25)


class WaitArguments(OfPost):
    seconds: int = Field(default=30, ge=1, le=50)


class UrlArguments(Arguments):
    url: str = Field(min_length=8, max_length=4096, description="Public, of the file itself, at most 8 MB")
    alt: str = Field(default="", max_length=10_000, description="What it shows")


class UploadArguments(Arguments):
    name: str = Field(min_length=1, max_length=255)
    alt: str = Field(default="", max_length=10_000, description="What it shows")


class FinishedArguments(Arguments):
    upload: str = Field(max_length=120, description="From request_upload")
