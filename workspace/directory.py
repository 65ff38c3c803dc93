"""The people an identity provider pages through, in the order of their ids: `page`, and `settle` for the sweep.

A page at any place costs the same however many people there are (`workspace.models.directory` says how): the nearest
mark is found, and from there it is at most a few hundred entries of an index to the first person of the page.
"""

from typing import Final
from uuid import UUID

from workspace import people, statements
from workspace.db.unit_of_work import atomic
from workspace.models import DirectoryChange, User, Workspace

MARK_EVERY: Final = 500
"""Two neighbouring marks are at most twice as many people apart."""
_BOTTOM: Final = UUID(int=0)
_TOP: Final = UUID(int=2**128 - 1)

# One statement and one snapshot: with the changes that are not in the marks yet, their ranks are exact. Marks are
# looked at from above, because none that a page may start from lies higher than by as many as have gone; the first
# that fits ends the search. Any that fits gives the right page, only the walk from it would be longer.
_PAGE: Final = f"""
    WITH change AS MATERIALIZED (
        SELECT user_id, step FROM workspace_directorychange WHERE workspace_id = %(workspace)s
    ), mark AS (
        SELECT before, rank FROM (
            SELECT m.before, m.rank + (SELECT coalesce(sum(step), 0) FROM change WHERE user_id < m.before) AS rank
              FROM (SELECT before, rank FROM workspace_directorymark
                     WHERE workspace_id = %(workspace)s
                       AND rank <= %(skip)s + (SELECT count(*) FROM change WHERE step < 0)
                     ORDER BY rank DESC, before DESC OFFSET 0) m
        ) exact WHERE rank <= %(skip)s LIMIT 1
    ), page AS (
        SELECT t.id FROM workspace_user t
         WHERE {people.LISTED} AND t.id >= coalesce((SELECT before FROM mark), %(bottom)s)
         ORDER BY t.id OFFSET %(skip)s - coalesce((SELECT rank FROM mark), 0) LIMIT %(count)s
    ), total AS (
        SELECT coalesce(max(rank), 0) + coalesce((SELECT sum(step) FROM change), 0) AS people
          FROM workspace_directorymark WHERE workspace_id = %(workspace)s AND before = %(top)s
    )
    SELECT total.people, {people.WITH_TEAMS}
      FROM total LEFT JOIN (page JOIN workspace_user t USING (id)) ON true ORDER BY t.id
"""  # noqa: S608  # constants

_ALONE: Final = "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))"
_ADD_UP: Final = """
    WITH change AS (
        DELETE FROM workspace_directorychange WHERE workspace_id = %(workspace)s RETURNING user_id, step
    ), top AS (
        INSERT INTO workspace_directorymark (workspace_id, before, rank)
        SELECT %(workspace)s, %(top)s, sum(step) FROM change HAVING count(*) > 0
        ON CONFLICT (workspace_id, before) DO UPDATE SET rank = workspace_directorymark.rank + excluded.rank
    )
    UPDATE workspace_directorymark m SET rank = m.rank + moved.steps
      FROM (SELECT mark, sum(step) OVER (ORDER BY place, mark IS NULL ROWS UNBOUNDED PRECEDING) AS steps
              FROM (SELECT user_id AS place, step, NULL AS mark FROM change
                    UNION ALL
                    SELECT before, 0, id FROM workspace_directorymark
                     WHERE workspace_id = %(workspace)s AND before <> %(top)s) AS places) AS moved
     WHERE m.id = moved.mark AND moved.steps <> 0
"""

# Between two marks that are far apart, or between the last one and the top. What has changed since `_ADD_UP` is in
# no mark, so it is not in these either.
_MARK: Final = f"""
    WITH change AS MATERIALIZED (
        SELECT user_id, step FROM workspace_directorychange WHERE workspace_id = %(workspace)s
    ), gap AS (
        SELECT before AS since, rank, lead(before) OVER (ORDER BY before) AS until,
               lead(rank) OVER (ORDER BY before) - rank AS people
          FROM (SELECT before, rank FROM workspace_directorymark WHERE workspace_id = %(workspace)s
                UNION ALL VALUES (%(bottom)s::uuid, 0)) AS marks
    )
    INSERT INTO workspace_directorymark (workspace_id, before, rank)
    SELECT %(workspace)s, person.id, gap.rank + person.place - coalesce((
               SELECT sum(step) FROM change WHERE user_id >= gap.since AND user_id < person.id), 0)
      FROM gap, LATERAL (
        SELECT t.id, row_number() OVER (ORDER BY t.id) - 1 AS place FROM workspace_user t
         WHERE {people.LISTED} AND t.id >= gap.since AND t.id < gap.until
      ) person
     WHERE gap.people >= 2 * %(every)s AND person.place > 0 AND person.place %% %(every)s = 0
"""  # noqa: S608  # constants


def page(workspace: Workspace, *, skip: int, count: int) -> tuple[list[User], int]:
    """At most `count` people after the first `skip`, with their `teams`; and how many there are altogether."""
    values = {"workspace": workspace.pk, "skip": skip, "count": count, "top": _TOP, "bottom": _BOTTOM}
    found = statements.rows(_PAGE, values)
    return people.read_with_teams(row[1:] for row in found if row[1] is not None), found[0][0]


def settle() -> None:
    """Add up what has changed, in every workspace where something has, and set marks where they are far apart."""
    for workspace_id in set(DirectoryChange.objects.order_by().values_list("workspace_id", flat=True).distinct()):
        settle_one(workspace_id)


def settle_one(workspace_id: UUID) -> None:
    """The same for one workspace; nothing while somebody else is at it."""
    values = {"workspace": workspace_id, "top": _TOP, "bottom": _BOTTOM, "every": MARK_EVERY}
    with atomic():
        alone = statements.first(_ALONE, [f"directory/{workspace_id}"])
        if alone == (True,):
            statements.run(_ADD_UP, values)
            statements.run(_MARK, values)
