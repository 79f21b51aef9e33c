"""What our session sets for itself, so that no default of server or account changes what is read.

Without a word these would cut rows (sql_select_limit, max_recursive_iterations), texts
(group_concat_max_len, a sql_mode that is not strict) or pad them (PAD_CHAR_TO_FULL_LENGTH).
The time zone stays the account's: a query means here what it means in the user's client.
"""

from __future__ import annotations

from typing import Any

_KEPT_MODES = frozenset(
    {
        *("ANSI_QUOTES", "HIGH_NOT_PRECEDENCE", "IGNORE_SPACE", "NO_BACKSLASH_ESCAPES"),
        *("NO_UNSIGNED_SUBTRACTION", "ONLY_FULL_GROUP_BY", "PIPES_AS_CONCAT", "REAL_AS_FLOAT"),
    }
)
"""How the server reads SQL: a query means here what it means in the user's client."""
_STRICT_MODES = ("STRICT_ALL_TABLES", "NO_ENGINE_SUBSTITUTION", "ERROR_FOR_DIVISION_BY_ZERO")
_MOST = 2**64 - 1
_SETTINGS: dict[str, int | str] = {
    "sql_select_limit": _MOST,
    "max_join_size": _MOST,
    "sql_big_selects": 1,  # after max_join_size, which turns it off
    "group_concat_max_len": 2**30,
    "sql_safe_updates": 0,
    "sql_auto_is_null": 0,
    "unique_checks": 1,
    "foreign_key_checks": 1,
}
_MARIADB_SETTINGS: dict[str, int | str] = {"max_recursive_iterations": 2**32 - 1}


def set_up_mysql(connection: Any) -> None:
    """Set the session of a new PyMySQL connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@SESSION.sql_mode, VERSION()")
        mode, version = cursor.fetchone()
        kept = sorted(_KEPT_MODES.intersection(mode.split(",")))
        settings = _SETTINGS | (_MARIADB_SETTINGS if "mariadb" in version.lower() else {})
        settings["sql_mode"] = f"'{','.join([*_STRICT_MODES, *kept])}'"
        for name, value in settings.items():
            cursor.execute(f"SET SESSION {name} = {value}")
