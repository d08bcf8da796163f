"""One request of each kind of work: what the smoke test asks, and what the README shows."""

from __future__ import annotations

from dataclasses import dataclass

from infra_gen.model.llm import Task


@dataclass(frozen=True, slots=True)
class Question:
    """A request without its model. `answer` is text that a whole answer holds; streams are counted."""

    path: str
    body: dict[str, object]
    example: dict[str, object]
    streams: bool
    answer: str


_TEN = {"role": "user", "content": "Count from one to ten in words."}
_HELLO = {"role": "user", "content": "Hello"}
_EMBEDDED: dict[str, object] = {"input": "The quick brown fox."}
_RANKED: dict[str, object] = {
    "query": "What is a fox?",
    "documents": ["An animal.", "A number."],
}

QUESTIONS: dict[Task, Question] = {
    "generate": Question(
        "/v1/chat/completions",
        {"messages": [_TEN], "max_tokens": 64, "stream": True},
        {"messages": [_HELLO]},
        streams=True,
        answer="",
    ),
    "embed": Question("/v1/embeddings", _EMBEDDED, _EMBEDDED, streams=False, answer='"embedding"'),
    "rerank": Question("/v1/rerank", _RANKED, _RANKED, streams=False, answer='"relevance_score"'),
}
