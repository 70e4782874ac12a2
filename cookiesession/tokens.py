"""What a token is, whoever makes it: a format, bound to a key and a cookie name.

A *format* says how a token is made. A *codec* is one format bound to one key and one
cookie name. Nothing here is trusted before its signature or authentication tag was
checked, and each token is accepted in one spelling only.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from .cookies import is_cookie_name
from .encoding import Malformed
from .errors import ConfigError
from .serializer import MAX_JSON, TaggedJSONSerializer

#: Never part of what the app sees: whether the cookie outlives the browser, and when
#: the session was created.
PERMANENT = "_permanent"
CREATED = "_cs"
RESERVED = frozenset((PERMANENT, CREATED))


@dataclass(slots=True, repr=False)
class Opened:
    """What an authentic token says; times in Unix seconds."""

    data: dict[str, Any]
    text: str  # the JSON as it came
    issued: int
    created: int
    permanent: bool
    codec: Codec
    token: bytes = b""  # as it came, where that is known

    def says(self, text: str) -> bool:
        """Whether *text*, rendered by the same codec, says what this one says.

        Its creation time may have been left to the time of issue, or be written now.
        """
        return text == self.text or self._bare(text) == self._bare(self.text)

    def _bare(self, text: str) -> str:
        created = f'"{CREATED}":{self.created}'
        if created not in text:
            return text
        if self.codec.format.serializer.sort_keys:
            data = json.loads(text)
            data.pop(CREATED, None)
            return json.dumps(data, separators=(",", ":"))
        end = f"{created}}}"  # bookkeeping comes last
        return text[: -len(end)].rstrip(",") + "}" if text.endswith(end) else text


class Codec(ABC):
    """One format bound to one key and one cookie name.

    :param format: How tokens are made.
    :param name: The cookie's name.
    """

    def __init__(self, format: Format, name: str) -> None:
        self.format = format
        self.name = name
        self._serializer = format.serializer

    @abstractmethod
    def open(self, token: bytes) -> Opened | None:
        """Read a token; ``None`` if it is not authentic.

        :raises Malformed: For an authentic token that says nothing sensible.
        """

    @abstractmethod
    def seal(self, text: str, issued: int, created: int) -> str:
        """The token for a session's JSON."""

    def check(self, key: str, value: Any) -> bool:
        """See :meth:`TaggedJSONSerializer.check`.

        :raises ValueError: For a key that bookkeeping needs.
        """
        if key in RESERVED:
            raise ValueError(
                f"the session key {key!r} is reserved for bookkeeping: choose another"
            )
        return self._serializer.check(key, value)

    def render(
        self,
        data: dict[str, Any],
        permanent: bool,
        created: int | None,
        *,
        plain: bool = False,
    ) -> str:
        """A session's JSON, its bookkeeping last (or sorted in, in Flask's format).

        :param created: The creation time, where it is to be stored.
        :param plain: See :meth:`TaggedJSONSerializer.dumps`.
        :raises TypeError: For a value that cannot be stored.
        """
        if permanent:
            data = {**data, PERMANENT: True}
        if created is not None:
            data = {**data, CREATED: created}
        return self._serializer.dumps(data, plain=plain)

    def text_of(self, value: Any) -> str:
        """A value's JSON, by which it is compared."""
        return self._serializer.dumps({"": value})

    def biggest(self, data: dict[str, Any]) -> list[tuple[str, int]]:
        """The three keys whose values take most bytes, with these, largest first."""
        sizes = {k: len(self._serializer.dumps({k: v})) for k, v in data.items()}
        return sorted(sizes.items(), key=lambda item: -item[1])[:3]

    def parse(self, payload: bytes, issued: int, created: int | None = None) -> Opened:
        """What an authentic payload, the JSON of a session, says.

        :param created: The creation time, where it has a place outside the JSON.
        :raises Malformed: For anything that :meth:`render` cannot have given.
        """
        if len(payload) > MAX_JSON:
            raise Malformed
        try:
            text = payload.decode()
            data = self._serializer.loads(text)
            permanent = bool(data.pop(PERMANENT, False))
        except Exception:  # noqa: BLE001
            # An application's tag may raise anything, and so may a parser that a
            # hostile payload drives to its limits.
            raise Malformed from None
        if CREATED in data:
            carried = data.pop(CREATED)
            if type(carried) is not int or carried < 0:
                raise Malformed
            if created is None:
                created = carried
        if created is None or created > issued:
            # Later only where clocks differ; it must not buy any time.
            created = issued
        return Opened(data, text, issued, created, permanent, self)


@dataclass(frozen=True, kw_only=True)
class Format(ABC):
    """How a token is made; see :class:`SignedFormat`."""

    salt: str = "cookiesession.v1"
    serializer: TaggedJSONSerializer = TaggedJSONSerializer()
    cookie_name: str | None = None

    #: Whether the user cannot read what is stored.
    hides: ClassVar[bool] = False
    #: Whether a session's creation is written even where no timeout needs it.
    keeps_creation: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if faults := list(self.faults()):
            raise ConfigError(type(self).__name__, faults)

    @abstractmethod
    def bind(self, key: bytes, name: str) -> Codec:
        """The codec for one key and one cookie name."""

    def faults(self) -> Iterable[str]:
        """What is wrong with the options, a sentence each."""
        # The NUL separates salt and cookie name, so that no two pairs of them meet.
        if not isinstance(self.salt, str) or not self.salt or "\0" in self.salt:
            yield "salt must be a non-empty str without NUL."
        elif not self.salt.isprintable():
            yield "salt must be printable."
        if not isinstance(self.serializer, TaggedJSONSerializer):
            yield "serializer must be a TaggedJSONSerializer."
        if self.cookie_name is not None and not is_cookie_name(self.cookie_name):
            yield "cookie_name must be a non-empty ASCII token (RFC 9110)."


def accepted(given: object) -> tuple[list[Format], list[str]]:
    """The formats to accept, and the fault if they are none."""
    if isinstance(given, Iterable):
        formats = list(given)
        if all(isinstance(each, Format) for each in formats):
            return formats, []
    return [], ["accept must be a list of formats, such as [SignedFormat()]."]
