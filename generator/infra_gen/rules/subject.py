"""What a rule is given: the deployment as its files state it, beside what was planned."""

from __future__ import annotations

from dataclasses import dataclass

from infra_gen.model.engine import EngineInfo
from infra_gen.model.plan import Plan
from infra_gen.model.spec import Spec
from infra_gen.model.stack import Stack
from infra_gen.rules.deployment import Deployment


@dataclass(frozen=True, slots=True)
class Subject:
    """`deployment` is judged; the rest says what it should be."""

    spec: Spec
    plan: Plan
    stack: Stack
    engine: EngineInfo
    deployment: Deployment
