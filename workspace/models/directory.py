"""How many people a workspace lists and where each so many of them begin, kept so that no page has to count or walk.

A mark says how many listed people have an id below its own; the mark above every id says how many there are. Writers
would queue on marks, so they only append what they change (triggers on people do, in the writer's transaction), and
`workspace.directory` adds it up: marks and the changes that are not in them yet are exact together in every snapshot.
"""

from typing import Final

import pgtrigger
from django.db import models

from workspace.models.tenancy import Workspace


def _listed(row: str) -> str:
    return f"{row}.delisted_at IS NULL AND {row}.purged_at IS NULL"


class DirectoryChange(models.Model):
    """A person who came onto a workspace's list (`step` 1) or went from it (-1), and is not in the marks yet."""

    id = models.BigAutoField(primary_key=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_constraint=False)
    user_id = models.UUIDField()
    step = models.SmallIntegerField()

    def __str__(self) -> str:
        return f"{self.step:+} {self.user_id}"


class DirectoryMark(models.Model):
    """`rank` listed people of the workspace have an id below `before`, but for the changes that are not in it yet."""

    id = models.BigAutoField(primary_key=True)
    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    before = models.UUIDField()
    rank = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint("workspace", "before", name="directory_mark_once")]
        indexes = [models.Index("workspace", "rank", name="directory_mark_rank")]

    def __str__(self) -> str:
        return f"{self.rank} before {self.before}"


def _noting(step: str, rows: str, condition: str) -> str:
    """Append what a write makes of these people's places on lists. Platform staff are on none."""
    return (
        "INSERT INTO workspace_directorychange (workspace_id, user_id, step)"  # noqa: S608  # constants
        f" SELECT workspace_id, id, {step} FROM {rows} WHERE workspace_id IS NOT NULL AND {condition}; RETURN NULL;"
    )


TRIGGERS: Final = [
    pgtrigger.Trigger(
        name="comes_into_directory", when=pgtrigger.After, operation=pgtrigger.Insert, level=pgtrigger.Statement,
        referencing=pgtrigger.Referencing(new="people"), func=_noting("1", "people", _listed("people")),
    ),
    pgtrigger.Trigger(
        name="goes_from_directory", when=pgtrigger.After, operation=pgtrigger.Delete, level=pgtrigger.Statement,
        referencing=pgtrigger.Referencing(old="people"), func=_noting("-1", "people", _listed("people")),
    ),
    pgtrigger.Trigger(
        name="changes_in_directory", when=pgtrigger.After, operation=pgtrigger.Update, level=pgtrigger.Row,
        condition=pgtrigger.Condition(f"(({_listed('OLD')}) IS DISTINCT FROM ({_listed('NEW')}))"),
        func=_noting(f"CASE WHEN {_listed('NEW')} THEN 1 ELSE -1 END", "(SELECT NEW.*) AS person", "true"),
    ),
]  # fmt: skip
