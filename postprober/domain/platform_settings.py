"""What the operator may set of one platform."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, SecretStr

from postprober.domain.prices import Prices


def plain(value: object) -> str:
    """A setting as it stands in the environment, a secret one, too."""
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


class PlatformSettings(BaseModel):
    """`POSTPROBER_`, the platform's key and the field's name, in capitals, is the name in the environment. A platform adds
    its own fields; what nobody may see is a `SecretStr`. Empty addresses: the platform's own."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    client_id: str = ""
    client_secret: SecretStr = SecretStr("")
    api_url: str = ""
    auth_url: str = ""

    def own(self) -> dict[str, str]:
        """The fields that only this platform has, as its adapter reads them."""
        return {name: plain(getattr(self, name)) for name in type(self).model_fields if name not in _COMMON}

    def prices(self) -> Prices:
        """What its API costs; most cost nothing."""
        return Prices()


_COMMON = frozenset(PlatformSettings.model_fields)
