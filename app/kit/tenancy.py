"""Row-level security for migrations: the second of the two tenancy walls.

The roles: the *owner* runs migrations; the *app* role owns nothing and sees one workspace at a time; the
*search* role, which nobody can log in as, owns the few SECURITY DEFINER functions that look a row up before
the workspace is known or through an index that row-level security would switch off.
"""

from alembic import op

APP_ROLE = "rapport_app"
SEARCH_ROLE = "rapport_search"

# A transaction-local setting reads '' after its transaction ended, and ''::uuid would raise.
CURRENT_WORKSPACE = "nullif(current_setting('app.workspace_id', true), '')::uuid"


def app_role() -> str:
    """The role that the app's connections have: the login of the app's URL, or `rapport_app`."""
    role: str = op.get_context().opts.get("app_role", APP_ROLE)
    return role


def protect(table: str, *, key: str = "workspace_id", grants: str = "SELECT, INSERT, UPDATE, DELETE") -> None:
    """Puts `table` behind the workspace wall and lets the app's role work in it."""
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY tenant ON {table} USING ({key} = {CURRENT_WORKSPACE}) "
        f"WITH CHECK ({key} = {CURRENT_WORKSPACE})"
    )
    op.execute(f"CREATE POLICY search ON {table} FOR SELECT TO {SEARCH_ROLE} USING (true)")
    op.execute(f'GRANT {grants} ON {table} TO "{app_role()}"')
    op.execute(f"GRANT SELECT ON {table} TO {SEARCH_ROLE}")


def plan_alike(table: str, column: str = "workspace_id") -> None:
    """Lets PostgreSQL take the rows of any value of `column` for an eighth of the table, also of one that it
    has never heard of.

    For columns that say whose rows they are. What ANALYZE gathers lists the largest owners; where that is all
    there are, a new one is taken to have no rows, any index is as good as another, and joins compare each row
    with each. Statistics can be written since PostgreSQL 18; before, a workspace is taken for a 200th.
    """
    frozen = f"ALTER TABLE {table} ALTER COLUMN {column} SET STATISTICS 0"
    which = f"current_schema()::text, '{table}', '{column}', false"
    op.execute(f"""
        DO $$ BEGIN
            IF to_regproc('pg_restore_attribute_stats') IS NOT NULL THEN
                {frozen};
                PERFORM pg_clear_attribute_stats({which});
                PERFORM pg_restore_attribute_stats(
                    'schemaname', current_schema()::text, 'relname', '{table}', 'attname', '{column}',
                    'inherited', false, 'null_frac', 0::real, 'avg_width', 16, 'n_distinct', 8::real
                );
            ELSIF '{column}' = 'workspace_id' THEN
                {frozen};
            END IF;
        END $$
    """)


def plan_as_usual(table: str, column: str = "workspace_id") -> None:
    """Undoes `plan_alike`, as soon as PostgreSQL looks at the table."""
    op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STATISTICS -1")


def definer_function(signature: str, returns: str, body: str) -> None:
    """A narrow function that runs as the search role; `body` is one SQL statement.

    A function over one workspace's rows must itself say `workspace_id = ` the current one: see
    `CURRENT_WORKSPACE`.
    """
    op.execute(
        f"CREATE FUNCTION {signature} RETURNS {returns} LANGUAGE sql STABLE SECURITY DEFINER "
        f"SET search_path = pg_catalog, public AS $function$ {body} $function$"
    )
    op.execute(f"ALTER FUNCTION {signature_types(signature)} OWNER TO {SEARCH_ROLE}")
    op.execute(f"REVOKE ALL ON FUNCTION {signature_types(signature)} FROM PUBLIC")
    op.execute(f'GRANT EXECUTE ON FUNCTION {signature_types(signature)} TO "{app_role()}"')


def signature_types(signature: str) -> str:
    """`f(a text, b uuid)` as PostgreSQL wants it in ALTER FUNCTION: `f(text, uuid)`."""
    name, _, arguments = signature.rstrip(")").partition("(")
    types = [argument.strip().partition(" ")[2] for argument in arguments.split(",") if argument.strip()]
    return f"{name}({', '.join(types)})"
