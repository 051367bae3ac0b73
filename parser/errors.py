"""Every error of DirkDB: its key, its SQLSTATE, and the one exception that carries it.

The sentence a user reads is made at the edge, in the session's language, from the key and the
parameters (``dirk_gevent.messages``): nothing below the edge ever formats text for a person.
"""

from __future__ import annotations

#: error key -> SQLSTATE (ISO/IEC 9075-2 §24, with PostgreSQL's classes where the standard has none).
SQLSTATE: dict[str, str] = {
    "syntax": "42601",
    "ends_early": "42601",
    "character_unassigned": "42602",
    "parameter_misplaced": "42601",
    "natural_using": "42601",
    "unterminated": "42601",
    "unfinished_string": "42601",
    "unfinished_name": "42601",
    "unfinished_comment": "42601",
    "unfinished_line": "42601",
    "unfinished_statement": "42601",
    "metadata_invalid": "42601",
    "too_deep": "54001",
    "too_complex": "54001",
    "out_of_range": "22003",
    "number_glued": "42601",
    "unknown_table": "42P01",
    "unknown_column": "42703",
    "unknown_function": "42883",
    "unknown_database": "3D000",
    "unknown_domain": "42704",
    "ambiguous_column": "42702",
    "no_database": "3D000",
    "duplicate_database": "42P04",
    "duplicate_table": "42P07",
    "duplicate_domain": "42710",
    "duplicate_column": "42701",
    "not_supported": "0A000",
    "limit_missing": "0A000",
    "other_database": "0A000",
    "copy_mixed": "0A000",
    "copy_in_transaction": "0A000",
    "copy_too_large": "54000",
    "copy_too_complex": "54001",
    "generated_given": "428C9",
    "generated_invalid": "42P17",
    "generated_circular": "42P17",
    "not_repeatable": "42P17",
    "moment_not_kept": "0A000",
    "autoincrement_misplaced": "42P16",
    "not_numbered": "55000",
    "not_explainable": "0A000",
    "not_a_table": "42809",
    "view_not_dumped": "42809",
    "missing_argument": "07001",
    "surplus_argument": "07001",
    "argument_not_allowed": "0A000",
    "too_many_values": "54000",
    "aggregate_misplaced": "42803",
    "window_misplaced": "42P20",
    "subquery_columns": "42601",
    "unknown_collation": "42704",
    "argument_count": "42883",
    "not_an_aggregate": "42809",
    "window_needed": "42809",
    "not_deterministic": "0A000",
    "unknown_window": "42704",
    "duplicate_alias": "42712",
    "duplicate_cte": "42712",
    "recursion_invalid": "42P19",
    "recursion_unclear": "42P19",
    "duplicate_window": "42P20",
    "frame_offset_invalid": "22013",
    "ntile_invalid": "22014",
    "nth_value_invalid": "22016",
    "row_misplaced": "42601",
    "name_of_index": "42P07",
    "json_invalid": "22032",
    "json_path_invalid": "22033",
    "json_label_invalid": "22030",
    "json_flags_invalid": "22023",
    "escape_invalid": "22019",
    "pattern_too_long": "54000",
    "cascade_too_deep": "54001",
    "view_outdated": "55000",
    "frame_invalid": "42P20",
    "values_width": "42601",
    "set_columns": "42601",
    "column_count": "42601",
    "limit_invalid": "2201W",
    "star_without_from": "42601",
    "position_out_of_range": "42P10",
    "having_without_group": "42803",
    "column_twice": "42701",
    "reserved_name": "42939",
    "in_use": "2BP01",
    "change_in_use": "2BP01",
    "unknown_view": "42P01",
    "unknown_index": "42704",
    "unknown_constraint": "42704",
    "two_primary_keys": "42P16",
    "foreign_key_invalid": "42830",
    "invalid_domain": "42P17",
    "encoding_invalid": "22021",
    "text_not_utf8": "22021",
    "text_invalid": "22021",
    "argument_invalid": "22023",
    "statement_too_long": "54000",
    "too_many_connections": "53300",
    "too_many_requests": "53300",
    "entries_wait": "53300",
    "no_live_master": "57P03",
    "no_readable_node": "57P03",
    "stale_read": "57P03",
    "proxy_unreachable": "57P03",
    "backend_lost": "08006",
    "log_older_than_node": "57P03",
    "log_went_back": "57P03",
    "log_unknown_to_node": "57P03",
    "masters_disagree": "57P03",
    "dispute_undecided": "57P03",
    "log_copied": "57P03",
    "node_evicted": "57P03",
    "restoring": "57P03",
    "node_not_following": "57P03",
    "being_seeded": "57P03",
    "shutting_down": "57P01",
    "system_database": "42501",
    "unknown_language": "22023",
    "unknown_vocabulary": "22023",
    "node_unknown": "57P03",
    "node_runs_twice": "57P03",
    "build_differs": "57P03",
    "older_entries": "57P03",
    "skipping": "57P03",
    "entry_skipped": "XX000",
    "later_release": "58030",
    "request_id_invalid": "22023",
    "request_id_expired": "22023",
    "request_id_ahead": "22023",
    "request_id_reused": "22023",
    "not_loggable": "22P05",
    "log_closed": "57P03",
    "log_unavailable": "57P03",
    "log_locked": "55006",
    "log_damaged": "XX001",
    "log_entry_damaged": "XX001",
    "log_cut_by_damage": "57P03",
    "snapshot_damaged": "XX001",
    "disk_full_log": "53100",
    "outcome_unknown": "08007",
    "overloaded": "53300",
    "not_droppable": "0A000",
    "snapshot_refused": "55000",
    "snapshot_gone": "55000",
    "domain_violation": "23514",
    "conflict_target_invalid": "42P10",
    "unique_violation": "23505",
    "not_null_violation": "23502",
    "rows_have_null": "23502",
    "check_violation": "23514",
    "foreign_key_violation": "23503",
    "foreign_key_in_use": "23503",
    "division_by_zero": "22012",
    "value_too_big": "54000",
    "execution_failed": "XX000",
    "step_limit": "57014",
    "statement_timeout": "57014",
    "cancelled": "57014",
    "read_overtaken": "57014",
    "result_too_large": "54000",
    "serialization_conflict": "40001",
    "definitions_changed": "40001",
    "transaction_lost": "40001",
    "transaction_open": "25001",
    "refused_in_transaction": "25001",
    "no_transaction": "25P01",
    "transaction_aborted": "25P02",
    "transaction_idle": "25P03",
    "transaction_too_large": "54000",
    "transactions_full": "53200",
    "transaction_steps": "57014",
    "storage_fault": "58030",
    "internal": "XX000",
}


class SqlError(Exception):
    """A statement's failure: a key of `SQLSTATE`, its parameters and its place in the statement.

    `params` hold what the sentence names (str or int only: they travel in log records as JSON).
    A syntax error carries `line` and `column` (both from 1), `source` (that line of the statement) and
    `expected` (the words that could have stood there) in `params`. An error of meaning has a `place`: an offset in
    the statement's template (-1: none), which the edge turns into those (`dirk_parser.normalize.normalizer.placed`),
    since it alone has the text of this request.
    """

    def __init__(self, key: str, **params: str | int) -> None:
        super().__init__(key)
        self.key = key
        self.sqlstate = SQLSTATE[key]
        self.place = int(params.pop("place", -1))
        self.params = params

    def at(self, place: int) -> SqlError:
        """This error, at `place` unless it has a place already: the innermost that knows one wins."""
        if self.place < 0:
            self.place = place
        return self

    def nowhere(self) -> SqlError:
        """This error without its place, which was in another text than the statement's."""
        self.place = -1
        return self

    def recorded(self) -> dict[str, str | int]:
        """`params`, with the place when there is one: the keyword arguments that make this error again."""
        return self.params if self.place < 0 else {**self.params, "place": self.place}

    def __str__(self) -> str:
        return f"{self.key} ({self.sqlstate}) {self.params}"
