"""SQL of what does not belong to tables: types, functions, operators, foreign servers, publications and so on. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from operations.catalog.properties import PROVIDERS
from operations.catalog.sql import (
    Changers,
    Made,
    Maker,
    Properties,
    Subject,
    bare,
    foreign_options,
    name,
    said,
    set_foreign_options,
    text_of,
    words_of,
)
from operations.catalog.sql_relations import defined
from operations.quoting import identifier, literal

NOTHING: Made = ("", frozenset())
CONTEXTS = {"e": "", "a": " AS ASSIGNMENT", "i": " AS IMPLICIT"}
METHODS = {"b": "WITHOUT FUNCTION", "i": "WITH INOUT"}
AGGREGATE = ("SFUNC", "FINALFUNC", "COMBINEFUNC", "SERIALFUNC", "DESERIALFUNC", "MSFUNC", "MINVFUNC", "MFINALFUNC")
STATE = ("STYPE", "SSPACE", "INITCOND", "MSTYPE", "MSSPACE", "MINITCOND")
MODIFYING = {"r": "READ_ONLY", "s": "SHAREABLE", "w": "READ_WRITE"}
PARALLEL = {"s": "SAFE", "r": "RESTRICTED"}
OPERATIONS = ("insert", "update", "delete", "truncate")
QUOTED = frozenset({"INITCOND", "MINITCOND"})


def _schema(subject: Subject, _value: Properties) -> Made:
    return f"CREATE SCHEMA {subject.name}", said()


def _extension(subject: Subject, value: Properties) -> Made:
    made = f"CREATE EXTENSION {subject.name} WITH SCHEMA {name(value['schema'])} VERSION {literal(value['version'])}"
    return made, said("schema", "version")


def _extension_schema(subject: Subject, mine: Properties, _other: Properties) -> Iterator[str]:
    yield f"ALTER EXTENSION {subject.name} SET SCHEMA {name(mine['schema'])}"


def _extension_version(subject: Subject, mine: Properties, _other: Properties) -> Iterator[str]:
    yield f"ALTER EXTENSION {subject.name} UPDATE TO {literal(mine['version'])}"


# --- functions and operators ----------------------------------------------------------------------------------------


def _aggregate(subject: Subject, value: Properties) -> Made:
    final_extra, final_modify, moving_extra, moving_modify = value["final"]
    words = [
        *zip(AGGREGATE, map(bare, value["functions"]), strict=True),
        *(
            (key, text_of(one) if key in QUOTED else one or None)
            for key, one in zip(STATE, value["state"], strict=True)
        ),
        ("FINALFUNC_MODIFY", MODIFYING[final_modify] if final_modify != "r" else None),
        ("MFINALFUNC_MODIFY", MODIFYING[moving_modify] if moving_modify != "r" else None),
        ("SORTOP", f"OPERATOR({bare(value['sort'])})" if value.get("sort") else None),
        ("PARALLEL", PARALLEL.get(value.get("parallel", ""))),
    ]
    extras = ["FINALFUNC_EXTRA"] * bool(final_extra) + ["MFINALFUNC_EXTRA"] * bool(moving_extra)
    extras += ["HYPOTHETICAL"] * (value.get("kind") == "h")
    own = subject.name.partition("(")[0]
    made = f"CREATE AGGREGATE {own}({value['arguments']}) ({', '.join([words_of(words), *extras])})"
    return made, said("arguments", "parallel", "kind", "functions", "state", "final", "sort")


def _operator(subject: Subject, value: Properties) -> Made:
    symbol, _, arguments = subject.name.partition("(")
    left, _, right = arguments.removesuffix(")").rpartition(", ")
    words = words_of((
        ("FUNCTION", bare(value["function"])), ("LEFTARG", left), ("RIGHTARG", right),
        *((key.upper(), f"OPERATOR({bare(value[key])})") for key in ("commutator", "negator") if key in value),
        ("RESTRICT", bare(value.get("restrict"))), ("JOIN", bare(value.get("join"))),
    ))  # fmt: skip
    flags = [word.upper() for word in ("merges", "hashes") if value.get(word)]
    made = f"CREATE OPERATOR {symbol} ({', '.join([words, *flags])})"
    return made, said("function", "commutator", "negator", "restrict", "join", "merges", "hashes")


def _operator_words(key: str) -> Changers:
    def change(subject: Subject, mine: Properties, _other: Properties) -> Iterator[str]:
        yield f"ALTER {subject.named} SET ({key.upper()} = {bare(mine.get(key)) or 'NONE'})"

    return {key: change}


def _operator_class(subject: Subject, value: Properties) -> Made:
    own, _, method = subject.name.partition(" using ")
    default = "DEFAULT " if value.get("default") else ""
    made = (
        f"CREATE OPERATOR CLASS {own} {default}FOR TYPE {value['type']} USING {method} FAMILY {value['family']}"
        f" AS STORAGE {value.get('storage', value['type'])}"
    )
    return made, said("type", "family", "default", "storage")


def _operator_family(subject: Subject, _value: Properties) -> Made:
    return f"CREATE {subject.named}", said()


def _members(subject: Subject, mine: Properties, other: Properties) -> Iterator[str]:
    """What only these have of operators and functions, and the opposite for those of the other."""
    for member in mine.get("operators") or ():
        strategy, purpose, rest = member.strip().split(" ", 2)
        function, _, family = rest.rpartition(") ")
        operator = f"{function}) FOR ORDER BY {family}" if purpose == "o" and family else rest
        if member not in (other.get("operators") or ()):
            yield f"ALTER {subject.named} ADD OPERATOR {strategy} {operator.strip()}"
    for member in mine.get("functions") or ():
        if member not in (other.get("functions") or ()):
            yield f"ALTER {subject.named} ADD FUNCTION {member}"
    for member in other.get("functions") or ():
        if member not in (mine.get("functions") or ()):
            number_and_types = member.partition(") ")[0] + ")"
            yield f"ALTER {subject.named} DROP FUNCTION {number_and_types}"
    for member in other.get("operators") or ():
        if member not in (mine.get("operators") or ()):
            strategy, _, rest = member.strip().split(" ", 2)
            yield f"ALTER {subject.named} DROP OPERATOR {strategy} ({rest.partition('(')[2].partition(')')[0]})"


def _cast(subject: Subject, value: Properties) -> Made:
    how = METHODS.get(value["method"], f"WITH FUNCTION {value.get('function')}")
    return f"CREATE CAST {subject.name} {how}{CONTEXTS[value['context']]}", said("function", "context", "method")


def _collation(subject: Subject, value: Properties) -> Made:
    words = words_of((
        ("PROVIDER", PROVIDERS.get(value["provider"], value["provider"])), ("LOCALE", text_of(value.get("locale"))),
        ("LC_COLLATE", text_of(value.get("collate"))), ("LC_CTYPE", text_of(value.get("ctype"))),
        ("DETERMINISTIC", "false" if value.get("nondeterministic") else None), ("RULES", text_of(value.get("rules"))),
    ))  # fmt: skip
    return f"CREATE COLLATION {subject.name} ({words})", said(
        "provider", "locale", "collate", "ctype", "nondeterministic", "rules", "encoding"
    )


def _conversion(subject: Subject, value: Properties) -> Made:
    default = "DEFAULT " if value.get("default") else ""
    made = (
        f"CREATE {default}CONVERSION {subject.name} FOR {literal(value['from'])} TO {literal(value['to'])}"
        f" FROM {bare(value['function'])}"
    )
    return made, said("from", "to", "function", "default")


def _language(subject: Subject, value: Properties) -> Made:
    words = [f"CREATE {'TRUSTED ' if value.get('trusted') else ''}LANGUAGE {subject.name}"]
    words += [f"{key.upper()} {bare(value[key])}" for key in ("handler", "inline", "validator") if key in value]
    return " ".join(words), said("trusted", "handler", "inline", "validator")


def _transform(subject: Subject, value: Properties) -> Made:
    begin, _, language = subject.name.rpartition(" language ")
    words = [f"{key} SQL WITH FUNCTION {value[part]}" for key, part in (("FROM", "from_sql"), ("TO", "to_sql"))
             if value.get(part) not in (None, "-")]  # fmt: skip
    return f"CREATE TRANSFORM FOR {begin} LANGUAGE {language} ({', '.join(words)})", said("from_sql", "to_sql")


def _access_method(subject: Subject, value: Properties) -> Made:
    kind = {"t": "TABLE", "i": "INDEX"}[value["type"]]
    return f"CREATE ACCESS METHOD {subject.name} TYPE {kind} HANDLER {bare(value['handler'])}", said("handler", "type")


# --- text search ----------------------------------------------------------------------------------------------------


def _search_configuration(subject: Subject, value: Properties) -> Made:
    return f"CREATE {subject.word} {subject.name} (PARSER = {value['parser']})", said("parser")


def _mappings(subject: Subject, mine: Properties, other: Properties) -> Iterator[str]:
    has, had = _by_token(mine), _by_token(other)
    for token, dictionaries in has.items():
        word = "ALTER" if token in had else "ADD"
        if had.get(token) != dictionaries:
            yield f"ALTER {subject.named} {word} MAPPING FOR {token} WITH {', '.join(dictionaries)}"
    for token in had:
        if token not in has:
            yield f"ALTER {subject.named} DROP MAPPING FOR {token}"


def _by_token(value: Properties) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in value.get("mappings") or ():
        token, _, dictionary = line.partition(" ")
        found.setdefault(token, []).append(dictionary)
    return found


def _dictionary(subject: Subject, value: Properties) -> Made:
    more = f", {value['options']}" if value.get("options") else ""
    return f"CREATE {subject.word} {subject.name} (TEMPLATE = {value['template']}{more})", said("template", "options")


def _search_functions(*words: str) -> Maker:
    def make(subject: Subject, value: Properties) -> Made:
        pairs = zip(words, map(bare, value["functions"]), strict=True)
        return f"CREATE {subject.word} {subject.name} ({words_of(pairs)})", said("functions")

    return make


# --- events, publications, what is foreign --------------------------------------------------------------------------


def _event_trigger(subject: Subject, value: Properties) -> Made:
    tags = f" WHEN TAG IN ({', '.join(map(literal, value['tags']))})" if value.get("tags") else ""
    made = f"CREATE EVENT TRIGGER {subject.name} ON {value['event']}{tags} EXECUTE FUNCTION {bare(value['function'])}()"
    return made, said("event", "tags", "function")


def _event_firing(subject: Subject, mine: Properties, _other: Properties) -> Iterator[str]:
    words = {None: "ENABLE", "D": "DISABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}
    yield f"ALTER EVENT TRIGGER {subject.name} {words[mine.get('enabled')]}"


def _publication(subject: Subject, value: Properties) -> Made:
    own, of, what = subject.name.partition(" of ")
    if of and what.startswith("schema "):
        return f"ALTER PUBLICATION {own} ADD TABLES IN SCHEMA {what.removeprefix('schema ')}", said()
    if of:
        columns = f" ({', '.join(map(name, value['columns']))})" if value.get("columns") else ""
        where = f" WHERE ({value['where']})" if value.get("where") else ""
        return f"ALTER PUBLICATION {own} ADD TABLE {what}{columns}{where}", said("columns", "where")
    everything = " FOR ALL TABLES" if value.get("all_tables") else ""
    via_root = ", publish_via_partition_root = true" if value.get("via_root") else ""
    made = f"CREATE PUBLICATION {own}{everything} WITH ({_published(value)}{via_root})"
    return made, said("all_tables", "operations", "via_root")


def _published(value: Properties) -> str:
    told = ", ".join(word for word, on in zip(OPERATIONS, value["operations"], strict=True) if on)
    return f"publish = {literal(told)}"


def _publish(subject: Subject, mine: Properties, _other: Properties) -> Iterator[str]:
    yield f"ALTER PUBLICATION {subject.name} SET ({_published(mine)})"


def _via_root(subject: Subject, mine: Properties, _other: Properties) -> Iterator[str]:
    on = "true" if mine.get("via_root") else "false"
    yield f"ALTER PUBLICATION {subject.name} SET (publish_via_partition_root = {on})"


def _subscription(subject: Subject, value: Properties) -> Made:
    """The connection is nobody's to see."""
    words = words_of((("slot_name", (value.get("slot") and name(value["slot"])) or "NONE"),
                    ("synchronous_commit", value.get("synchronous_commit"))))  # fmt: skip
    names = ", ".join(map(name, value["publications"]))
    made = f"CREATE SUBSCRIPTION {subject.name} CONNECTION '…' PUBLICATION {names} WITH ({words})"
    return made, said("slot", "publications", "synchronous_commit")


def _wrapper(subject: Subject, value: Properties) -> Made:
    words = [f"CREATE FOREIGN DATA WRAPPER {subject.name}"]
    words += [f"{key.upper()} {bare(value[key])}" for key in ("handler", "validator") if key in value]
    words += [f"OPTIONS ({foreign_options(value['options'])})"] if value.get("options") else []
    return " ".join(words), said("handler", "validator", "options")


def _server(subject: Subject, value: Properties) -> Made:
    words = [f"CREATE SERVER {subject.name}"]
    words += [f"{key.upper()} {literal(value[key])}" for key in ("type", "version") if key in value]
    words.append(f"FOREIGN DATA WRAPPER {name(value['wrapper'])}")
    words += [f"OPTIONS ({foreign_options(value['options'])})"] if value.get("options") else []
    return " ".join(words), said("type", "version", "wrapper", "options")


def _server_options(subject: Subject, mine: Properties, other: Properties) -> Iterator[str]:
    yield from set_foreign_options(f"ALTER {subject.named}", mine, other)


def _user_mapping(subject: Subject, _value: Properties) -> Made:
    user, _, server = subject.name.rpartition(" on ")
    return f"CREATE USER MAPPING FOR {user} SERVER {server}", said()


def _hashes(subject: Subject, mine: Properties, _other: Properties) -> Iterator[str]:
    """Values are passwords: of each, only a few bits of its hash are known."""
    yield f"-- user mapping for {subject.name}: hashes of its options: {', '.join(mine.get('options') or ())}"


def _security_label(subject: Subject, value: Properties) -> Made:
    what, _, provider = subject.name.removeprefix("of ").rpartition(" by ")
    kind, _, own = what.partition(" ")
    return f"SECURITY LABEL FOR {identifier(provider)} ON {kind.upper()} {own} IS {literal(value['label'])}", said(
        "label"
    )


def _nothing(_subject: Subject, _value: Properties) -> Made:
    return NOTHING


KINDS: Mapping[str, tuple[Maker, Changers]] = {
    "schema": (_schema, {}),
    "extension": (_extension, {"schema": _extension_schema, "version": _extension_version}),
    "function": (defined, {}),
    "procedure": (defined, {}),
    "aggregate": (_aggregate, {}),
    "operator": (_operator, {**_operator_words("restrict"), **_operator_words("join")}),
    "operator class": (_operator_class, {}),
    "operator family": (_operator_family, {"operators": _members, "functions": _members}),
    "cast": (_cast, {}),
    "collation": (_collation, {}),
    "conversion": (_conversion, {}),
    "language": (_language, {}),
    "transform for": (_transform, {}),
    "access method": (_access_method, {}),
    "text search configuration": (_search_configuration, {"mappings": _mappings}),
    "text search dictionary": (_dictionary, {}),
    "text search parser": (_search_functions("START", "GETTOKEN", "END", "HEADLINE", "LEXTYPES"), {}),
    "text search template": (_search_functions("INIT", "LEXIZE"), {}),
    "event trigger": (_event_trigger, {"enabled": _event_firing}),
    "publication": (_publication, {"operations": _publish, "via_root": _via_root}),
    "subscription": (_subscription, {}),
    "foreign data wrapper": (_wrapper, {"options": _server_options}),
    "server": (_server, {"options": _server_options}),
    "user mapping for": (_user_mapping, {"options": _hashes}),
    "security label": (_security_label, {}),
    "privileges": (_nothing, {}),
    "default privileges": (_nothing, {}),
}
