"""Random tables with rows, and random demands that a migration makes of them; the same for the same seed."""

# ruff: noqa: E501 - statements are easier to compare where each is one line

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from operations.quoting import literal

TABLES = """
    DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public;
    CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
    CREATE TABLE parent (id int PRIMARY KEY, part int NOT NULL, name text, UNIQUE (id, part));
    CREATE TABLE other (id int PRIMARY KEY, note text);
    CREATE TABLE t (id int PRIMARY KEY, i int, j int, s text, v varchar(30), e mood, n numeric, d text, p int, q int);
    CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS
        $$BEGIN UPDATE t SET i = 0, s = id::text WHERE i IS NULL; RETURN NULL; END$$;
"""
TRIGGER = "CREATE TRIGGER fills AFTER UPDATE ON other EXECUTE FUNCTION fill();"
CLEAN = {"s": ("1", "22", " 7 "), "v": ("a", "bc"), "e": ("ok", "happy"), "d": ("2024-01-31", "1999-12-01")}
MESSY = {"s": ("x", "", "99999999999", "true"), "v": ("long enough", "Bc"), "e": ("sad",), "d": ("2024-02-30", "soon")}
COLUMNS = ("i", "j", "s", "v", "e", "n", "d", "p", "q")
EXPRESSIONS = ("lower(s)", "(i + j)", "coalesce(i, 0)", "(n / 2)", "upper(v)", "(s || v)", "abs(j)")
CONDITIONS = (
    "i > 0", "j IS NOT NULL", "s <> 'x'", "length(v) < 5", "e <> 'sad'", "n BETWEEN 0 AND 50", "i < j", "s ~ '^[0-9 ]*$'",
    "e IN ('ok', 'happy')", "d LIKE '____-__-__'", "coalesce(n, 1) >= 1", "v IS DISTINCT FROM 'a'", "i % 2 = 0",
)  # fmt: skip
CASTS = (
    ("s", "int USING s::int"), ("s", "numeric(4,1) USING trim(s)::numeric"), ("s", "boolean USING s::boolean"),
    ("s", "varchar(2)"), ("v", "char(2)"), ("v", "varchar(5) USING lower(v)"), ("i", "smallint"), ("n", "numeric(3,1)"),
    ("n", "int"), ("d", "date USING d::date"), ("d", "timestamp USING d::text::timestamp"), ("i", "bigint"), ("v", "text"),
    ("e", "text"), ("e", "calm USING e::text::calm"), ("s", "mood USING s::mood"), ("j", "boolean USING j::boolean"),
)  # fmt: skip
BEFORE = (
    *[""] * 20, "UPDATE other SET note = 'x';", "UPDATE t SET {c} = {c};", "UPDATE t SET i = 1 WHERE i IS NULL;",
    "DELETE FROM t WHERE i IS NULL OR s IS NULL;", "DELETE FROM t WHERE id > 1;", "UPDATE t SET p = NULL, q = NULL;",
    "ALTER TABLE t RENAME {c} TO was_{c}; ALTER TABLE t RENAME id TO {c};", "ALTER TABLE t DROP COLUMN {c}, ADD COLUMN {c} int;",
    "INSERT INTO parent SELECT p, q FROM t WHERE p IS NOT NULL ON CONFLICT DO NOTHING;", "ALTER TABLE t ADD COLUMN new int;",
    "DO $$BEGIN UPDATE t SET s = id, d = '2024-01-01', v = id; END$$;", "CREATE TABLE fresh (id int PRIMARY KEY);",
    "DELETE FROM parent WHERE id > 2;", "ALTER TYPE mood RENAME VALUE 'sad' TO 'blue';", "TRUNCATE t;",
    "ALTER TABLE t ALTER {c} TYPE text;", "CREATE INDEX beside ON t (i);", "WITH gone AS (DELETE FROM t) SELECT 1;",
)  # fmt: skip


@dataclass(frozen=True)
class Demand:
    """``before`` are statements that come first in the migration."""

    kind: str
    before: str
    sql: str


def rows(random: Random) -> str:
    """Tables, and up to thirty rows; how messy they are differs from column to column."""
    messy = {column: random.choice((0.0, 0.05, 0.3)) for column in COLUMNS}
    nulls = {column: random.choice((0.0, 0.0, 0.1)) for column in COLUMNS}
    number = random.choice((0, 1, 2, 5, 12, 30))
    parents = random.sample(range(1, 8), random.randint(0, 7))
    made = [f"INSERT INTO parent VALUES ({key}, {key % 3}, 'p{key}');" for key in parents]
    made.append("INSERT INTO other VALUES (1, 'a'), (2, NULL);")
    for key in range(1, number + 1):
        values = [_value(random, column, key, messy[column], nulls[column], parents) for column in COLUMNS]
        made.append(f"INSERT INTO t VALUES ({key}, {', '.join(values)});")
    fires = TRIGGER if random.random() < 0.2 else ""
    cascades = "ALTER TABLE t ADD FOREIGN KEY (p) REFERENCES parent ON DELETE CASCADE NOT VALID;"
    return TABLES + "".join(made) + fires + (cascades if random.random() < 0.3 else "")


def _value(random: Random, column: str, key: int, messy: float, nulls: float, parents: list[int]) -> str:
    if random.random() < nulls:
        return "NULL"
    untidy = random.random() < messy
    if column in CLEAN:
        return literal(random.choice(MESSY[column] if untidy else CLEAN[column]))
    if column in ("p", "q"):
        parent = random.choice(parents) if parents and not untidy else 77
        return str(parent if column == "p" else parent % 3)
    if column == "n":
        return random.choice(("1000", "-3")) if untidy else f"{key}.5"
    return str(random.choice((40000, -1, 3)) if untidy else key)


def demand(random: Random) -> Demand:
    """One of any kind, behind what may mend the rows, or has nothing to do with them."""
    kind = random.choice(("not null", "new column", "unique", "foreign key", "check", "cast"))
    column = random.choice(COLUMNS)
    before = random.choice(BEFORE).format(c=column)
    sql = {
        "not null": lambda: f"ALTER TABLE t ALTER {column} SET NOT NULL;",
        "new column": lambda: (
            f"ALTER TABLE t ADD COLUMN made {random.choice(('int', 'text', 'mood', 'uuid'))} NOT NULL"
            + random.choice((";", " DEFAULT NULL;", " UNIQUE;"))
        ),
        "unique": lambda: _unique(random),
        "foreign key": lambda: _foreign(random),
        "check": lambda: _check(random),
        "cast": lambda: _cast(random),
    }[kind]()
    return Demand(kind, before, sql)


def _unique(random: Random) -> str:
    keys = random.sample((*COLUMNS, *EXPRESSIONS), random.choice((1, 1, 2, 3)))
    where = f" WHERE {random.choice(CONDITIONS)}" if random.random() < 0.3 else ""
    nulls = " NULLS NOT DISTINCT" if random.random() < 0.2 else ""
    if not where and all(key in COLUMNS for key in keys) and random.random() < 0.6:
        what = random.choice(("UNIQUE", "UNIQUE NULLS NOT DISTINCT"))
        return f"ALTER TABLE t ADD {what} ({', '.join(keys)});"
    return f"CREATE UNIQUE INDEX made ON t ({', '.join(keys)}){nulls}{where};"


def _foreign(random: Random) -> str:
    two = "ALTER TABLE t ADD CONSTRAINT made FOREIGN KEY (p, q) REFERENCES parent (id, part)"
    one = "ALTER TABLE t ADD CONSTRAINT made FOREIGN KEY (p) REFERENCES parent"
    clause = random.choice((one, two, f"{two} MATCH FULL", "ALTER TABLE t ADD FOREIGN KEY (i) REFERENCES t (id)", one))
    if "made" in clause and random.random() < 0.3:
        return f"{clause} NOT VALID; ALTER TABLE t VALIDATE CONSTRAINT made;"
    return f"{clause};"


def _check(random: Random) -> str:
    parts = random.sample(CONDITIONS, random.choice((1, 1, 2)))
    condition = random.choice((" AND ", " OR ")).join(parts)
    if random.random() < 0.3:
        return f"ALTER TABLE t ADD CONSTRAINT c CHECK ({condition}) NOT VALID; ALTER TABLE t VALIDATE CONSTRAINT c;"
    return f"ALTER TABLE t ADD CHECK ({condition});"


def _cast(random: Random) -> str:
    column, target = random.choice(CASTS)
    made = "CREATE TYPE calm AS ENUM ('ok', 'happy');" if "calm" in target else ""
    return f"{made} ALTER TABLE t ALTER {column} TYPE {target};"
