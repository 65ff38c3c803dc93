"""The tables of departures and rotations, one module per noun."""

from rotation.models.departures import (
    Decision,
    Exposure,
    ExposureQuerySet,
    MassRemoval,
    Offboarding,
    Orphan,
    OrphanOutcome,
    Outcome,
)
from rotation.models.rotations import RotationJob, RotationJobQuerySet, RotationStep
from rotation.models.targets import FailedLogins, TargetHealth, Verdict, Verification
from workspace.models import AccessLoss, LossKind

__all__ = [
    "AccessLoss", "Decision", "Exposure", "ExposureQuerySet", "FailedLogins", "LossKind", "MassRemoval", "Offboarding",
    "Orphan", "OrphanOutcome", "Outcome", "RotationJob", "RotationJobQuerySet", "RotationStep", "TargetHealth",
    "Verdict", "Verification",
]  # fmt: skip
