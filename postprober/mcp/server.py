"""The server: the catalogue, resources and prompts, whichever way its clients come."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from typing import Any

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError

from postprober import __version__
from postprober.client import calls
from postprober.errors import PostProberError
from postprober.mcp.calling import Api
from postprober.mcp.catalogue import BY_NAME, TOOLS, Tool
from postprober.mcp.prompts import PROMPTS

INSTRUCTIONS = (
    "PostProber publishes to social platforms and proves that strangers see it. You write drafts and propose posts; a person "
    "publishes them. Write times with offset or zone. List before you write, so that nothing is posted twice."
)
BROKEN = "Something went wrong here; the log has the details."
_NUMBER = re.compile(r"postprober://(accounts|posts|reports)/([1-9][0-9]{0,14})")
_log = logging.getLogger(__name__)
Context = ServerRequestContext[Any, Any]


def build(api_of: Callable[[Context], Api]) -> Server[Any]:
    """A server. `api_of`: makes the calls for whoever sends a request. Clients of the handshakes of 2025 and of the
    stateless revision of 2026 are served alike."""

    async def list_tools(_ctx: Context, _params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[listed(tool) for tool in TOOLS])

    async def call_tool(ctx: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        tool = BY_NAME.get(params.name)
        if tool is None:
            return refusal(f"There is no tool {params.name[:60]!r}; use one of: {', '.join(BY_NAME)}.")
        try:
            wanted = tool.takes.model_validate_json(json.dumps(params.arguments or {}))
            answer = await tool.act(api_of(ctx), wanted)
        except ValidationError as error:
            return refusal(_wrong(tool, error))
        except PostProberError as error:
            return refusal(error.message)
        except Exception:  # noqa: BLE001 (the library would hand its words on to the client)
            _log.exception("the tool %s broke", tool.name)
            return refusal(BROKEN)
        said = types.TextContent(type="text", text=json.dumps(answer, ensure_ascii=False))
        return types.CallToolResult(content=[said], structured_content=answer)

    async def list_resources(_ctx: Context, _params: types.PaginatedRequestParams | None) -> types.ListResourcesResult:
        return types.ListResourcesResult(resources=[])

    async def list_templates(
        _ctx: Context, _params: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        named = {
            "accounts/{id}/limits": "What an account may publish",
            "posts/{id}": "A post and its deliveries",
            "reports/{id}": "What happened to a post, step by step",
        }
        return types.ListResourceTemplatesResult(
            resource_templates=[
                types.ResourceTemplate(
                    uri_template=f"postprober://{path}",
                    name=path.partition("/")[0],
                    description=what,
                    mime_type="application/json",
                )
                for path, what in named.items()
            ]
        )

    async def read(ctx: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        uri = str(params.uri)
        try:
            found = await _read(api_of(ctx), uri)
        except PostProberError as error:
            raise MCPError(code=types.INVALID_PARAMS, message=error.message) from None
        except Exception:  # noqa: BLE001 (as above)
            _log.exception("the resource %s broke", uri[:80])
            raise MCPError(code=types.INTERNAL_ERROR, message=BROKEN) from None
        text = types.TextResourceContents(
            uri=params.uri, text=json.dumps(found, ensure_ascii=False), mime_type="application/json"
        )
        return types.ReadResourceResult(contents=[text])

    async def list_prompts(_ctx: Context, _params: types.PaginatedRequestParams | None) -> types.ListPromptsResult:
        return types.ListPromptsResult(
            prompts=[
                types.Prompt(
                    name=one.name,
                    title=one.title,
                    description=one.description,
                    arguments=[
                        types.PromptArgument(name=name, description=what, required=True)
                        for name, what in one.asks.items()
                    ],
                )
                for one in PROMPTS
            ]
        )

    async def get_prompt(_ctx: Context, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        chosen = next((one for one in PROMPTS if one.name == params.name), None)
        given = params.arguments or {}
        if chosen is None or set(given) != set(chosen.asks):
            raise MCPError(
                code=types.INVALID_PARAMS,
                message="There is no such prompt."
                if chosen is None
                else f"This prompt takes: {', '.join(chosen.asks) or 'nothing'}.",
            )
        text = chosen.text
        for name, value in given.items():
            text = text.replace(f"{{{name}}}", " ".join(value.split())[:2000])
        message = types.PromptMessage(role="user", content=types.TextContent(type="text", text=text))
        return types.GetPromptResult(description=chosen.description, messages=[message])

    return Server(
        "postprober",
        version=__version__,
        title="PostProber",
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=list_resources,
        on_list_resource_templates=list_templates,
        on_read_resource=read,
        on_list_prompts=list_prompts,
        on_get_prompt=get_prompt,
        get_tool_input_schema=lambda name: BY_NAME[name].takes.schema_of() if name in BY_NAME else None,
    )


def listed(tool: Tool) -> types.Tool:
    """A tool as clients are told of it."""
    return types.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=tool.takes.schema_of(),
        output_schema=tool.output,
        annotations=types.ToolAnnotations(
            read_only_hint=tool.reads,
            destructive_hint=tool.destroys,
            idempotent_hint=tool.repeatable,
            open_world_hint=tool.outside,
        ),
    )


def refusal(sentence: str) -> types.CallToolResult:
    """One sentence for the model, marked as an error."""
    return types.CallToolResult(content=[types.TextContent(type="text", text=sentence)], is_error=True)


def _wrong(tool: Tool, error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(piece) for piece in first["loc"]) or "the arguments"
    return f"{tool.name} does not take this: {where}: {first['msg']}."


async def _read(api: Api, uri: str) -> Any:
    path = uri.removesuffix("/limits")
    found = _NUMBER.fullmatch(path)
    if found is None or (found[1] == "accounts") is not uri.endswith("/limits"):
        raise calls.ApiRefused(f"There is nothing at {uri[:80]!r}.", 404, "not-found")
    number = int(found[2])
    if found[1] == "accounts":
        return await api.do(calls.limits(number))
    if found[1] == "posts":
        return {"post": await api.do(calls.post(number)), "monitoring": await api.do(calls.monitoring(number))}
    return {"monitoring": await api.do(calls.monitoring(number)), "steps": (await api.do(calls.steps(number)))["items"]}
