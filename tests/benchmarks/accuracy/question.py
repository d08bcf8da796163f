"""One question to `infra-gen plan`, in the words of its command line."""

from __future__ import annotations

from dataclasses import dataclass

Load = tuple[int, int, int]
"""Requests at once, tokens in, tokens out: the word after `--point`."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked for. `settings` are the flags that a run was started with, as `--set` takes them."""

    hardware: str
    model: str
    engine: str
    version: str | None = None
    quantization: str | None = None
    settings: tuple[tuple[str, str], ...] = ()

    def words(self, loads: tuple[Load, ...] = ()) -> list[str]:
        """The arguments of `infra-gen`."""
        found = ["plan", "--json", "--hardware", self.hardware, "--model", self.model]
        found += ["--engine", self.engine]
        if self.version:
            found += ["--engine-version", self.version]
        if self.quantization:
            found += ["--quantization", self.quantization]
        for name, value in self.settings:
            found += ["--set", f"{name}={value}"]
        for load in loads:
            found += ["--point", ":".join(map(str, load))]
        return found


@dataclass(frozen=True, slots=True)
class Measured:
    """One number that a real run reported, and the question whose answer should hold it.

    `loads` are the points that the answer is read at. `fitted`: constants were fitted to this row;
    `why_not` where the fit leaves it out.
    `model` and `gpu` are what a fold leaves out together.
    """

    engine: str
    quantity: str
    run: str
    value: float
    question: Question
    loads: tuple[Load, ...] = ()
    fitted: bool = False
    why_not: str = ""
    model: str = ""
    gpu: str = ""
    source: str = ""

    @property
    def key(self) -> str:
        """What tells the row apart from all others, also for peers' stored answers."""
        loads = " ".join(":".join(map(str, load)) for load in self.loads)
        return f"{self.quantity} | {self.run} | {loads} | {self.value:g}"


def settings(**given: object) -> tuple[tuple[str, str], ...]:
    """Flags by their Python names, those that are None left out."""
    return tuple(
        (name.replace("_", "-"), _word(value)) for name, value in given.items() if value is not None
    )


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
