"""What may be recorded in the audit trail: each verb with its subject and its sentence.

A verb's stored string is for good: rows, exports and webhooks keep it, and the hash chain is over it. Those of the
floors above stand here too, so that filters, labels and docs read one list. Rows may hold strings of earlier versions,
which are in no list any more: `describe` says them as they are.
"""

from enum import Enum, StrEnum
from typing import Final, Self


class Subject(Enum):
    """What a verb is about: the audit log's filter, by its value in an address and its label."""

    PERSON = "person", "People"
    SESSION = "session", "Sign-ins and sessions"
    SECOND_FACTOR = "second_factor", "Second factors"
    API_KEY = "api_key", "API keys"
    TEAM = "team", "Teams"
    ACCOUNT = "account", "Accounts"
    GRANT = "grant", "Access to accounts"
    OFFBOARDING = "offboarding", "Departures"
    ROTATION = "rotation", "Rotations"
    TOKEN = "scim_token", "SCIM tokens"
    PROVISIONING = "provisioning", "Provisioning"
    NOTICE = "notice", "Notices"
    WEBHOOK = "webhook", "Webhooks"
    WORKSPACE = "workspace", "Workspace"
    AUDIT = "audit", "Exports of lists and logs"

    _value_: str
    label: str

    def __new__(cls, value: str, label: str) -> Self:
        member = object.__new__(cls)
        member._value_, member.label = value, label
        return member

    @property
    def verbs(self) -> tuple["Verb", ...]:
        return tuple(verb for verb in Verb if verb.subject is self)


class Verb(StrEnum):
    """Each thing that is recorded: the stored string, what it is about, and what happened in plain words."""

    PERSON_PROVISIONED = "person.provisioned", Subject.PERSON, "Person added"
    PERSON_UPDATED = "person.updated", Subject.PERSON, "Profile changed"
    PERSON_ROLE_CHANGED = "person.role_changed", Subject.PERSON, "Role in the workspace changed"
    PERSON_EXPIRY_SET = "person.expiry_set", Subject.PERSON, "Day on which the person's access ends set or taken away"
    PERSON_DEACTIVATED = "person.deactivated", Subject.PERSON, "Person disabled and all their access ended"
    PERSON_REACTIVATED = "person.reactivated", Subject.PERSON, "Person let in again, without any former access"
    PERSON_GRANTS_RESTORED = "person.grants_restored", Subject.PERSON, "Access from before the departure given back"
    PERSON_DELISTED = "person.delisted", Subject.PERSON, "Person deleted by the identity provider"
    PERSON_MADE_LOCAL = "person.made_local", Subject.PERSON, "Person taken over from the identity provider"
    PERSON_DELETION_ASKED = "person.deletion_asked", Subject.PERSON, "Deletion of the person's data asked for"
    PERSON_PURGED = "person.purged", Subject.PERSON, "Person's data deleted for good, all but a pseudonym"

    PERSON_INVITED = "person.invited", Subject.SESSION, "Link for setting a password made"
    PERSON_PASSWORD_SET = "person.password_set", Subject.SESSION, "Own password set"
    PERSON_SIGNED_IN = "person.signed_in", Subject.SESSION, "Signed in"
    PERSON_SIGN_IN_FAILED = "person.sign_in_failed", Subject.SESSION, "Sign-in refused: wrong name or password"
    PERSON_CODE_REFUSED = "person.code_refused", Subject.SESSION, "Sign-in refused: wrong code of the second factor"
    PERSON_PROOF_REFUSED = "person.proof_refused", Subject.SESSION, "Wrong password or code given for a confirmation"
    SESSION_ENDED = "session.ended", Subject.SESSION, "Sessions ended"

    SECOND_FACTOR_SET_UP = "second_factor.set_up", Subject.SECOND_FACTOR, "Second factor set up"
    SECOND_FACTOR_REPLACED = "second_factor.replaced", Subject.SECOND_FACTOR, "Second factor replaced by another"
    SECOND_FACTOR_CODES_RENEWED = "second_factor.codes_renewed", Subject.SECOND_FACTOR, "Recovery codes made anew"
    SECOND_FACTOR_REMOVED = "second_factor.removed", Subject.SECOND_FACTOR, "Own second factor removed"
    SECOND_FACTOR_RESET = "second_factor.reset", Subject.SECOND_FACTOR, "Second factor taken away by somebody else"

    API_KEY_ISSUED = "api_key.issued", Subject.API_KEY, "API key issued"
    API_KEY_REVOKED = "api_key.revoked", Subject.API_KEY, "API key revoked"

    TEAM_CREATED = "team.created", Subject.TEAM, "Team made"
    TEAM_UPDATED = "team.updated", Subject.TEAM, "Team changed"
    TEAM_MEMBERS_CHANGED = "team.members_changed", Subject.TEAM, "Members joined or left the team"
    TEAM_MADE_LOCAL = "team.made_local", Subject.TEAM, "Team taken over from the identity provider"
    TEAM_DISBANDED = "team.disbanded", Subject.TEAM, "Team disbanded, its memberships and access ended"

    ACCOUNT_CREATED = "account.created", Subject.ACCOUNT, "Account added"
    ACCOUNT_UPDATED = "account.updated", Subject.ACCOUNT, "Account changed"
    ACCOUNT_PASSWORD_STORED = "account.password_stored", Subject.ACCOUNT, "Password typed in and stored"
    ACCOUNT_REVEALED = "account.revealed", Subject.ACCOUNT, "Password shown"
    ACCOUNT_AUTHENTICATOR_STORED = "account.authenticator_stored", Subject.ACCOUNT, "Key of one-time codes stored"
    ACCOUNT_AUTHENTICATOR_REMOVED = "account.authenticator_removed", Subject.ACCOUNT, "Key of one-time codes removed"
    ACCOUNT_DRIFTED = "account.drifted", Subject.ACCOUNT, "Stored password found not to be the one in force"
    ACCOUNT_DRIFT_ENDED = "account.drift_ended", Subject.ACCOUNT, "Stored password found in force again"
    ACCOUNT_DRIFT_ADOPTED = "account.drift_adopted", Subject.ACCOUNT, "Password in force typed in after a drift"

    GRANT_GIVEN = "grant.given", Subject.GRANT, "Access to the account given"
    GRANT_ENDED = "grant.ended", Subject.GRANT, "Access to the account ended"
    GRANT_EXPIRY_SET = "grant.expiry_set", Subject.GRANT, "Day on which access to the account ends set or taken away"
    ORPHAN_HANDED_OVER = "orphan.handed_over", Subject.GRANT, "Account without an Owner given to another Owner"

    OFFBOARDING_STARTED = "offboarding.started", Subject.OFFBOARDING, "Offboarding begun"
    OFFBOARDING_COMPLETED = "offboarding.completed", Subject.OFFBOARDING, "Offboarding completed: nothing of it is open"
    CERTIFICATE_ISSUED = "certificate.issued", Subject.OFFBOARDING, "Certificate of the offboarding issued"
    MASS_REMOVAL_HELD = "mass_removal.held", Subject.OFFBOARDING, "Many people removed at once; their rotations held"
    MASS_REMOVAL_CONFIRMED = "mass_removal.confirmed", Subject.OFFBOARDING, "Removal of many people confirmed"
    MASS_REMOVAL_CANCELLED = "mass_removal.cancelled", Subject.OFFBOARDING, "Removal of many people called off"
    MASS_REMOVAL_TIMED_OUT = (
        "mass_removal.timed_out", Subject.OFFBOARDING, "Removal of many people went on, since nobody answered in time"
    )  # fmt: skip
    ACCESS_LOST = "access.lost", Subject.OFFBOARDING, "People who stay lost access to passwords they could have known"

    ROTATION_REQUESTED = "rotation.requested", Subject.ROTATION, "Rotation asked for"
    ROTATION_RETRIED = "rotation.retried", Subject.ROTATION, "Rotation tried again"
    ROTATION_SUGGESTED = "rotation.suggested", Subject.ROTATION, "Password suggested for changing by hand"
    ROTATION_CHANGED_BY_HAND = "rotation.changed_by_hand", Subject.ROTATION, "Password said to be changed by hand"
    ROTATION_TARGETS_WORD_TAKEN = (
        "rotation.targets_word_taken", Subject.ROTATION, "Target's word taken for the change, without a proof"
    )  # fmt: skip
    ROTATION_DONE = "rotation.done", Subject.ROTATION, "Password rotated"
    EXPOSURE_RISK_ACCEPTED = "exposure.risk_accepted", Subject.ROTATION, "Risk of a known password accepted for a time"
    EXPOSURE_REOPENED = "exposure.reopened", Subject.ROTATION, "Accepted risk ended, the rotation goes on"

    SCIM_TOKEN_ISSUED = "scim_token.issued", Subject.TOKEN, "SCIM token issued"
    SCIM_TOKEN_REPLACED = "scim_token.replaced", Subject.TOKEN, "SCIM token replaced by a new one"
    SCIM_TOKEN_REVOKED = "scim_token.revoked", Subject.TOKEN, "SCIM token revoked"
    SCIM_TOKEN_CODE_MAILED = "scim_token.code_mailed", Subject.TOKEN, "Code for taking a new SCIM token mailed"
    SCIM_TOKEN_CODE_REFUSED = "scim_token.code_refused", Subject.TOKEN, "Wrong code for taking a new SCIM token given"
    SCIM_TOKEN_CLAIM_PREPARED = "scim_token.claim_prepared", Subject.TOKEN, "New SCIM token prepared for an Owner"

    PROVISIONING_SWITCHED_OFF = "provisioning.switched_off", Subject.PROVISIONING, "Provisioning switched off"
    PROVISIONING_SWITCH_OFF_COMPLETED = (
        "provisioning.switch_off_completed", Subject.PROVISIONING, "Switching provisioning off completed"
    )  # fmt: skip
    PROVISIONING_LOG_PRUNED = "provisioning_log.pruned", Subject.PROVISIONING, "Old provisioning events deleted"

    NOTICES_CONFIGURED = "notices.configured", Subject.NOTICE, "Settings of notices changed"
    NOTICES_PRUNED = "notices.pruned", Subject.NOTICE, "Old notices deleted"
    NOTICE_SETTLED = "notice.settled", Subject.NOTICE, "Notice settled"

    WEBHOOK_ADDED = "webhook.added", Subject.WEBHOOK, "Webhook endpoint added"
    WEBHOOK_CHANGED = "webhook.changed", Subject.WEBHOOK, "Webhook endpoint changed"
    WEBHOOK_SECRET_ROTATED = "webhook.secret_rotated", Subject.WEBHOOK, "Signing secret of a webhook replaced"
    WEBHOOK_ENABLED = "webhook.enabled", Subject.WEBHOOK, "Webhook endpoint enabled"
    WEBHOOK_DISABLED = "webhook.disabled", Subject.WEBHOOK, "Webhook endpoint disabled"
    WEBHOOK_TESTED = "webhook.tested", Subject.WEBHOOK, "Test message sent to a webhook endpoint"
    DELIVERY_REPEATED = "delivery.repeated", Subject.WEBHOOK, "Delivery of a notice repeated"

    WORKSPACE_CREATED = "workspace.created", Subject.WORKSPACE, "Workspace made"
    WORKSPACE_CONFIGURED = "workspace.configured", Subject.WORKSPACE, "Settings of the workspace changed"
    WORKSPACE_HOSTS_ALLOWED = "workspace.hosts_allowed", Subject.WORKSPACE, "List of allowed hosts changed"
    WORKSPACE_PURGED = "workspace.purged", Subject.WORKSPACE, "Workspace deleted for good"
    SIGNING_KEY_MADE = "signing_key.made", Subject.WORKSPACE, "Key made that signs certificates"
    DEMO_SEEDED = "demo.seeded", Subject.WORKSPACE, "Demo company made"

    AUDIT_EXPORTED = "audit.exported", Subject.AUDIT, "Audit trail exported"
    LIST_EXPORTED = "list.exported", Subject.AUDIT, "List downloaded as a file"

    subject: Subject
    sentence: str

    def __new__(cls, value: str, subject: Subject, sentence: str) -> Self:
        member = str.__new__(cls, value)
        member._value_, member.subject, member.sentence = value, subject, sentence
        return member


_KNOWN: Final = {verb.value: verb for verb in Verb}


def known(stored: str) -> Verb | None:
    """The verb of a row; None for a string of an earlier version."""
    return _KNOWN.get(stored)


def describe(stored: str) -> str:
    """What happened, in words; a string that is no verb any more as it stands."""
    verb = known(stored)
    return verb.sentence if verb else stored
