"""A session that was used -> its text and its token, rendered once.

Whether a session differs from what came is told by its text only where nothing else
can tell; that text is then the one that is sealed.
"""

from __future__ import annotations

from typing import Any

from .errors import SessionTooLarge
from .serializer import MAX_JSON, may_be_tagged
from .tokens import Codec, Opened
from .tracking import Tracked


class Sealer:
    """Seals sessions, with a place for their creation time or without one.

    :param has_absolute_timeout: Whether a timeout needs the creation time, also in a
        format that leaves it out otherwise.
    :param max_size: The most bytes that a cookie's name and value may have together;
        ``None`` for what is kept elsewhere.
    """

    def __init__(self, has_absolute_timeout: bool, max_size: int | None) -> None:
        self._has_absolute_timeout = has_absolute_timeout
        self._max_size = max_size

    def look_inside(
        self, tracked: Tracked, writer: Codec, issued: int
    ) -> tuple[bool, str | None]:
        """Whether an equal session differs by its text, and that text.

        :returns: ``None`` for the text where it is not what *writer* would seal.
        """
        came: Opened = tracked.came
        try:
            text = self.render(came.codec, tracked, issued)
        except TypeError:
            return True, None  # something new, as what came could be stored
        same_text = came.codec.format is writer.format
        return not came.says(text), text if same_text else None

    def render(self, codec: Codec, tracked: Tracked, issued: int) -> str:
        """The session's JSON, as it is to be sealed at this time.

        :raises TypeError: For a value that cannot be stored.
        """
        carries = self._has_absolute_timeout or codec.format.keeps_creation
        created = tracked.created if carries and tracked.created < issued else None
        came: Opened | None = tracked.came
        plain = not tracked.exposed and (came is None or not may_be_tagged(came.text))
        return codec.render(tracked.data, tracked.permanent, created, plain=plain)

    def seal(
        self, codec: Codec, tracked: Tracked, issued: int, text: str | None = None
    ) -> str:
        """The token for a session.

        :param text: Its JSON, if that is rendered already.
        :raises TypeError: For a value that cannot be stored.
        :raises SessionTooLarge: If it does not fit.
        """
        if text is None:
            text = self.render(codec, tracked, issued)
        if len(text) > MAX_JSON:
            what = "JSON of the session"
            raise _too_large(what, len(text), MAX_JSON, codec, tracked.data)
        token = codec.seal(text, issued, min(tracked.created, issued))
        size, limit = len(codec.name) + len(token), self._max_size
        if limit is not None and size > limit:
            what = "session cookie's name and value"
            raise _too_large(what, size, limit, codec, tracked.data)
        return token


def goes_on(codec: Codec, writer: Codec) -> bool:
    """Whether a session that *writer* cannot hold may go on in another format.

    It may in the one that it came in, so that nobody is stuck after a change of the
    format; but never in one that hides less.
    """
    return (
        codec.format is not writer.format and codec.format.hides >= writer.format.hides
    )


#: What is logged, once, when a session does.
GOES_ON = (
    "a session goes on in an accepted format, because the first one cannot hold it: it"
    " is too large for it, or of types that it does not know. Keep that format in"
    " `accept` until such sessions have expired."
)
#: What is logged, once, when nothing but time or a key asked for a new token.
NOT_REISSUED = (
    "a session could not be issued again: it has become too large, or the format cannot"
    " store all of it. The old one is kept."
)


def _too_large(
    what: str, size: int, limit: int, codec: Codec, data: dict[str, Any]
) -> SessionTooLarge:
    return SessionTooLarge(what, size, limit, codec.biggest(data))
