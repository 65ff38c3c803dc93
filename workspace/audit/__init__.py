"""The audit trail: what may be recorded (`verbs`), recording it (`trail`), and the hash chain over it (`chain`)."""

from workspace.audit.chain import CHAINED_WITHIN, Broken, export, line, seal, unchained, verify
from workspace.audit.trail import Actor, record, record_each, unknown_verbs
from workspace.audit.verbs import Subject, Verb

__all__ = [
    "CHAINED_WITHIN",
    "Actor",
    "Broken",
    "Subject",
    "Verb",
    "export",
    "line",
    "record",
    "record_each",
    "seal",
    "unchained",
    "unknown_verbs",
    "verify",
]
