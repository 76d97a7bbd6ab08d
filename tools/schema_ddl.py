# SPDX-License-Identifier: Apache-2.0
"""Write the tables of the store as MySQL statements, from their definition."""

import sys
from pathlib import Path

from sqlalchemy.dialects import mysql
from sqlalchemy.schema import CreateTable

from node0.store.tables import metadata, store_migrations

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "src/node0/finetune/registry/migrations/001_model_registry.sql"
HEAD = """\
-- SPDX-License-Identifier: Apache-2.0
-- The tables of the store as they are today, for MySQL and Dolt: `make docs` writes them from
-- node0.store.tables. A store itself is made by the numbered files of node0.store.migrations.
"""


def main() -> int:
    """Write the file."""
    FILE.write_text(statements(), encoding="utf-8")
    return 0


def statements() -> str:
    """Every table, after those that it refers to."""
    dialect = mysql.dialect()
    tables = [table for table in metadata.sorted_tables if table is not store_migrations]
    made = [str(CreateTable(table).compile(dialect=dialect)).strip() for table in tables]
    return HEAD + "".join(f"\n{text.expandtabs(2)};\n".replace(" \n", "\n") for text in made)


if __name__ == "__main__":
    sys.exit(main())
