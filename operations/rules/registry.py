"""All rules there are."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from operations.rules import allow_comments
from operations.rules.model import Rule

MODULES = (
    "adding_field_with_default",
    "adding_foreign_key_constraint",
    "adding_not_nullable_field",
    "adding_required_field",
    "ban_alter_domain_with_add_constraint",
    "ban_char_field",
    "ban_concurrent_index_creation_in_transaction",
    "ban_drop_cascade",
    "ban_drop_column",
    "ban_drop_database",
    "ban_drop_not_null",
    "ban_drop_schema",
    "ban_drop_table",
    "ban_drop_view",
    "ban_server_access",
    "ban_truncate",
    "ban_uncommitted_transaction",
    "changing_column_type",
    "constraint_missing_not_valid",
    "disallowed_unique_constraint",
    "enum_value_used_in_same_transaction",
    "hidden_characters",
    "identifier_too_long",
    "leaking_setting",
    "missing_foreign_key_index",
    "not_understood",
    "prefer_bigint_over_int",
    "prefer_identity",
    "prefer_robust_stmts",
    "prefer_text_field",
    "prefer_timestamp_tz",
    "recreating_enum",
    "redefining_table",
    "renaming_column",
    "renaming_table",
    "renaming_type",
    "require_concurrent_index_creation",
    "require_concurrent_index_deletion",
    "require_concurrent_partition_detach",
    "require_concurrent_reindex",
    "rewriting_table",
    "security_definer_without_search_path",
    "transaction_nesting",
    "validate_constraint_in_same_transaction",
    "whole_table_update",
)
"""One rule a file."""
RULES: Mapping[str, Rule] = {
    rule.name: rule
    for rule in sorted(
        (
            *(import_module(f"operations.rules.{name}").RULE for name in MODULES),
            *(allow_comments.WITHOUT_REASON, allow_comments.UNUSED, allow_comments.UNKNOWN_RULE),
        ),
        key=lambda rule: rule.name,
    )
}
"""By name, in the order of the alphabet."""
