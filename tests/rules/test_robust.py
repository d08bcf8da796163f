"""Whatever stands in a hand-edited file, rules answer with findings and never with a traceback."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from tests.rules.bases import built, subject_of

from infra_gen.rules import registry
from infra_gen.rules.deployment import Deployment, read_deployment
from infra_gen.rules.reading.compose import compose_services, is_compose_file
from infra_gen.rules.reading.yaml_text import Document

JUNK: tuple[Any, ...] = (None, 5, "${X}", [None], {"x": [{}]})
PLACES = [
    ("2x4090", "compose.yaml"),
    ("mi300x", "compose.yaml"),
    ("apple-m3", "monitoring/compose.yaml"),
    ("2x4090", "monitoring/prometheus.yml"),
    ("2x4090", "monitoring/alerts.yml"),
]


def paths_of(node: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if above:
        yield above
    below = (
        node.items()
        if isinstance(node, dict)
        else enumerate(node)
        if isinstance(node, list)
        else ()
    )
    for key, value in below:
        yield from paths_of(value, (*above, key))


def with_junk(document: Any, path: tuple[Any, ...], junk: Any) -> Any:
    result = copy.deepcopy(document)
    node = result
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = copy.deepcopy(junk)
    return result


@pytest.mark.parametrize(("base", "file"), PLACES)
def test_junk_in_any_place_is_judged(base: str, file: str) -> None:
    subject = subject_of({"base": base})
    good = subject.deployment
    for path in paths_of(good.document(file)):
        for junk in JUNK:
            value = with_junk(good.document(file), path, junk)
            services = tuple(s for s in good.services if s.file != file)
            if is_compose_file(file):
                services += compose_services(value, file)
            changed = Deployment(
                files=good.files,
                services=services,
                documents={**good.documents, file: Document(value, {})},
                dockerfiles=good.dockerfiles,
            )
            registry.run(replace(subject, deployment=changed))


@pytest.mark.parametrize("base", ["2x4090", "apple-m3", "lan", "ollama", "systemd", "quadlet"])
def test_broken_text_in_any_file_is_judged(base: str) -> None:
    subject = subject_of({"base": base})
    files = {path: file.text for path, file in built(base).tree.items()}
    for path, text in files.items():
        for broken in (
            "",
            "\x00",
            "{",
            text[: len(text) // 2],
            text.replace(":", ""),
            "\ufffd" * 9,
        ):
            deployment = read_deployment({**files, path: broken})
            registry.run(replace(subject, deployment=deployment))
    registry.run(replace(subject, deployment=read_deployment({})))


def test_the_order_of_files_does_not_matter() -> None:
    files = {path: file.text for path, file in built("2x4090").tree.items()}
    files["compose.yaml"] = (
        files["compose.yaml"].replace("127.0.0.1:", "").replace("--port", "--prt")
    )
    subject = subject_of({"base": "2x4090"})
    one = registry.run(replace(subject, deployment=read_deployment(files)))
    backwards = dict(reversed(list(files.items())))
    other = registry.run(replace(subject, deployment=read_deployment(backwards)))
    assert one == other
    assert {finding.rule for finding in one} >= {"flag-unknown", "port-on-all-interfaces"}
