"""Sessions in Redis or Valkey: one server, a Cluster, or the master Sentinel names.

A record is one string, and what must be compared and set is compared and set by a
script on the server. Every command and every script touches one key, so that a Cluster
needs no hash tags. The price is an owner's index that is written by itself, before the
record: it may list what is not there or not the owner's, but never misses what is.

The client is the caller's; neither redis-py nor valkey-py is imported here.
"""

from __future__ import annotations

import hashlib
import inspect
import logging
import secrets
from collections.abc import Iterator
from functools import cache
from typing import Any

from ..errors import ConfigError
from .base import GRACE, TOMBSTONE, Record, SessionStore

logger = logging.getLogger("cookiesession")

#: The value of a record: its version, the time in milliseconds at which its life is
#: over, its owner, and the data. A tombstone is the empty string.
_VERSION, _DEADLINE, _OWNER = 8, 13, 32
_HEAD = _VERSION + _DEADLINE + _OWNER

#: So many records of one owner are read at once: 64 kB each, at worst.
_BATCH = 100

# The clock is the server's, as the machines of an app may disagree by minutes.
_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""

# A client that got no answer may send it again: its own record is not "taken".
_CREATE = f"""{_NOW}
local version, owner, data, ttl, life = unpack(ARGV)
if redis.call('EXISTS', KEYS[1]) == 1 then
  return redis.call('GETRANGE', KEYS[1], 0, {_VERSION - 1}) == version and 1 or 0
end
if tonumber(ttl) > 0 then
  local deadline = string.format('%0{_DEADLINE}.0f', now + life * 1000)
  redis.call('SET', KEYS[1], version .. deadline .. owner .. data, 'EX', ttl)
end
return 1
"""

_REPLACE = f"""{_NOW}
local old, new, data, ttl = unpack(ARGV)
if redis.call('GETRANGE', KEYS[1], 0, {_VERSION - 1}) ~= old then return 0 end
local kept = redis.call('GETRANGE', KEYS[1], {_VERSION}, {_HEAD - 1})
local left = math.min(ttl * 1000, kept:sub(1, {_DEADLINE}) - now)
if left > 0 then
  redis.call('SET', KEYS[1], new .. kept .. data, 'PX', left)
else
  redis.call('DEL', KEYS[1])
end
return 1
"""

# With an owner: leaves a tombstone where nothing is, but touches no other's record.
# A full server refuses SET, but not in a script that has written already: with DEL
# before it a tombstone can always be left, and a logout never fails for want of memory.
_END = f"""
local version, owner = unpack(ARGV)
local head = redis.call('GETRANGE', KEYS[1], 0, {_HEAD - 1})
if head == '' and owner == '' then return 0 end
if head ~= '' then
  if version ~= '' and version ~= head:sub(1, {_VERSION}) then return 0 end
  if owner ~= '' and owner ~= head:sub(-{_OWNER}) then return 0 end
end
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], '', 'EX', {TOMBSTONE})
return head == '' and 0 or 1
"""

# ZADD comes first, for a full server to refuse it. A key stays listed, ended or not,
# until its life is over; then the next key of its owner sweeps it out.
_LIST = """
local key, life = unpack(ARGV)
local now = redis.call('TIME')[1]
redis.call('ZADD', KEYS[1], now + life, key)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2]
redis.call('EXPIREAT', KEYS[1], last)
return 1
"""


class RedisStore(SessionStore):
    """Keeps sessions in Redis (6.2 or newer) or Valkey.

    The server needs ``maxmemory-policy noeviction``: any other policy forgets sessions
    before their time, and the index of an owner before the sessions in it, which then
    survive a log out everywhere. A server that is full refuses new and changed sessions
    and still ends them. What it acknowledged and then loses, as in an asynchronous
    failover or a restart from an old snapshot, is lost: logouts too. A replica that
    Sentinel or a Cluster promotes before its first sync has ended lacks older sessions.

    :param client: A ready client of redis-py or valkey-py for one server or a Cluster,
        or what ``Sentinel.master_for`` returns: synchronous, of bytes
        (``decode_responses=False``), reading from the primary. With a
        ``socket_timeout``, in seconds, or it waits for ever for a server that is
        stopped. Its own retries are welcome: every operation may be repeated. The
        repeated :meth:`create` knows its own record; a repeated :meth:`replace` or
        :meth:`end` of a version, whose first answer was lost, says ``False``.
    :param prefix: Of the names of all keys: ``{prefix}s:<key>``, ``{prefix}o:<owner>``.
    :raises ConfigError: If the client cannot be used.
    """

    def __init__(self, client: Any, *, prefix: str = "cookiesession:") -> None:
        faults = list(_faults(client))
        if not isinstance(prefix, str):
            faults.append("prefix must be a str.")
        if faults:
            raise ConfigError("RedisStore", faults)
        if not _options(client).get("socket_timeout"):
            logger.warning(
                "RedisStore: the client has no socket_timeout, so requests hang for"
                " ever when the server does; give it one, such as socket_timeout=1"
            )
        self._client = client
        self._prefix = prefix
        self._checked = False

    def load(self, key: str) -> Record | None:
        value = self._client.get(self._record(key))
        self._check()
        if value is None:
            return None
        return Record(value[_HEAD:], value[:_VERSION] or None)

    def create(
        self, key: str, data: bytes, *, ttl: int, life: int, owner: str | None
    ) -> bool:
        # The index comes first and outlives the record: whoever ends all records of
        # an owner sees this one, or comes before it.
        if owner is not None:
            self._run(_LIST, self._index(owner), key, life + GRACE)
        version = secrets.token_bytes(_VERSION)
        head = version, _raw(owner), data
        return self._run(_CREATE, self._record(key), *head, min(ttl, life), life)

    def replace(self, key: str, data: bytes, *, ttl: int, version: object) -> bool:
        new = secrets.token_bytes(_VERSION)
        return _is_version(version) and self._run(
            _REPLACE, self._record(key), version, new, data, ttl
        )

    def end(self, key: str, version: object = None) -> bool:
        if version is None:
            return self._run(_END, self._record(key), b"", b"")
        return _is_version(version) and self._run(_END, self._record(key), version, b"")

    def of_owner(self, owner: str) -> list[tuple[str, bytes]]:
        keys = self._listed(owner)
        found = []
        for start in range(0, len(keys), _BATCH):
            batch = keys[start : start + _BATCH]
            pipeline = self._client.pipeline(transaction=False)
            for key in batch:
                pipeline.get(self._record(key))
            # Errors that the pipeline raises itself name the key.
            values = pipeline.execute(raise_on_error=False)
            for key, value in zip(batch, values, strict=True):
                if isinstance(value, Exception):
                    raise value
                # The index lists a key, too, that somebody else has created meanwhile.
                if value and value[_HEAD - _OWNER : _HEAD] == _raw(owner):
                    found.append((key, value[_HEAD:]))
        return found

    def end_all(self, owner: str, keep: str | None = None) -> int:
        # A listed record may be about to be created: its tombstone prevents that.
        # Meanwhile a session that gets a new id is listed under it before the old one
        # is ended: look again until no new key is seen. Live or not says nothing, as
        # the index and the records are read one after the other.
        ended = 0
        seen = {keep}
        while keys := [key for key in self._listed(owner) if key not in seen]:
            seen.update(keys)
            for key in keys:
                ended += self._run(_END, self._record(key), b"", _raw(owner))
        return ended

    def _record(self, key: str) -> str:
        return f"{self._prefix}s:{key}"

    def _index(self, owner: str) -> str:
        return f"{self._prefix}o:{owner}"

    def _listed(self, owner: str) -> list[str]:
        keys = self._client.zrange(self._index(owner), 0, -1)
        self._check()
        return [key.decode() for key in keys]

    def _run(self, script: str, key: str, *arguments: object) -> bool:
        try:
            answer = self._client.evalsha(_sha1(script), 1, key, *arguments)
        except Exception as error:
            # The class has this name in both libraries.
            if type(error).__name__ != "NoScriptError":
                raise
            answer = self._client.eval(script, 1, key, *arguments)
        self._check()
        return bool(answer)

    def _check(self) -> None:
        """Warn once, after the first use, of a server that forgets before its time."""
        if self._checked:
            return
        self._checked = True
        try:
            policy = self._client.info("memory").get("maxmemory_policy", "noeviction")
        except Exception:  # noqa: BLE001  not everybody may ask; the rest works
            return
        if policy != "noeviction":
            logger.warning(
                "RedisStore: the server's maxmemory-policy is %s, which forgets"
                " sessions before their time and lets some survive a log out"
                " everywhere; set it to noeviction",
                policy,
            )


def _faults(client: Any) -> Iterator[str]:
    commands = ("evalsha", "eval", "get", "zrange", "pipeline", "info")
    if isinstance(client, type) or not all(
        callable(getattr(client, name, None)) for name in commands
    ):
        yield (
            "client must be a client of redis-py or valkey-py: a Redis(...), a"
            " RedisCluster(...) or what Sentinel(...).master_for(...) returns."
        )
        return
    if inspect.iscoroutinefunction(client.execute_command):
        yield "client is asynchronous: use the class of the same name that is not."
    if _options(client).get("decode_responses"):
        yield "client has decode_responses=True, but records are bytes: leave it out."
    pool = getattr(client, "connection_pool", None)
    if (
        getattr(client, "read_from_replicas", False)
        or getattr(client, "load_balancing_strategy", None)
        or not getattr(pool, "is_master", True)
    ):
        yield (
            "client reads from replicas, which lag behind and revive what was ended:"
            " leave out read_from_replicas and load_balancing_strategy, and use"
            " master_for instead of slave_for."
        )


def _options(client: Any) -> dict[str, Any]:
    """What the client gives its connections."""
    pool = getattr(client, "connection_pool", None)
    options: dict[str, Any] = (
        client.get_connection_kwargs() if pool is None else pool.connection_kwargs
    )
    return options


def _is_version(version: object) -> bool:
    return isinstance(version, bytes) and len(version) == _VERSION


def _raw(owner: str | None) -> bytes:
    return bytes(_OWNER) if owner is None else bytes.fromhex(owner)


@cache
def _sha1(script: str) -> str:
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
