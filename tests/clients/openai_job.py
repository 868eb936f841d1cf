"""The openai client does its whole job."""

import openai
from pydantic import BaseModel
from steps import given, need, run

HERE = given()
ME = openai.OpenAI(api_key="sk-sandbox", base_url=f"{HERE['url']}/v1", max_retries=0)
MESSAGES: list[dict[str, str]] = [{"role": "user", "content": "{}"}]


class Verdict(BaseModel):
    verdict: str
    reasons: list[str]
    confidence: float


def models() -> None:
    need([one.id for one in ME.models.list()] == ["sandbox-model"])


def chat() -> None:
    told = ME.chat.completions.create(model="sandbox-model", messages=MESSAGES)
    need(told.choices[0].message.content and told.usage.total_tokens > 0)


def parsed() -> None:
    told = ME.chat.completions.parse(model="sandbox-model", messages=MESSAGES, response_format=Verdict)
    need(told.choices[0].message.parsed.verdict == "appropriate")


def streamed() -> None:
    whole = ME.chat.completions.create(model="sandbox-model", messages=MESSAGES).choices[0].message.content
    chunks = list(
        ME.chat.completions.create(
            model="sandbox-model", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
        )
    )
    need("".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == whole)
    need(len(chunks) > 3 and chunks[-1].usage.total_tokens > 0)


def responses() -> None:
    told = ME.responses.create(model="sandbox-model", input="Hello")
    need(told.output_text and told.usage.total_tokens > 0)
    need(
        ME.responses.parse(model="sandbox-model", input="{}", text_format=Verdict).output_parsed.verdict
        == "appropriate"
    )


def moderation() -> None:
    told = ME.moderations.create(input=["I will stab it", "Hello"])
    need([one.flagged for one in told.results] == [True, False])


def wrong_key() -> None:
    try:
        openai.OpenAI(api_key="sk-invalid", base_url=f"{HERE['url']}/v1", max_retries=0).models.list()
    except openai.AuthenticationError:
        return
    raise AssertionError("a wrong key was taken")


run({step.__name__: step for step in (models, chat, parsed, streamed, responses, moderation, wrong_key)})
