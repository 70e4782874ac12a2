"""Where server-side sessions are kept: the contract, and four stores that keep it.

No engine's library is imported before its store is made.
"""

from .base import Record, SessionStore
from .memory import MemoryStore
from .redis import RedisStore
from .sql import SQLStore
from .sqlite import SQLiteStore

__all__ = [
    "MemoryStore",
    "Record",
    "RedisStore",
    "SQLStore",
    "SQLiteStore",
    "SessionStore",
]
