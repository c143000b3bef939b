"""Many rows at once, as an import brings them."""

from app.kit.database import Base


def copies(table: str, changes: dict[str, str], source: str = "generate_series(1, $2) AS i") -> str:
    """SQL that copies a row of the workspace $1, with other values in some columns, for each `i` of a source.

    Whatever PostgreSQL believes of the table, the row is found by its place: joined by its workspace, each
    copy would be looked for among all copies before it.
    """
    columns = list(Base.metadata.tables[table].columns.keys())
    values = ", ".join(changes.get(column, f"one.{column}") for column in columns)
    return f"""
        INSERT INTO {table} ({", ".join(columns)}) SELECT {values} FROM {table} AS one, {source}
        WHERE one.ctid = (SELECT ctid FROM {table} WHERE workspace_id = $1 LIMIT 1)
    """
