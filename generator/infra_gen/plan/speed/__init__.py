"""Speed of one replica: what a step reads and multiplies, over what the hardware reaches."""

from infra_gen.plan.speed.model import SpeedModel

__all__ = ["SpeedModel"]
