"""Whatever is asked of the API: no answer is a failure of the server, and all are as described."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("fastapi")
schemathesis = pytest.importorskip("schemathesis", reason="no schemathesis: extra `test`")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from serving import QUICK, Running, drop, running

pytestmark = pytest.mark.slow

EXAMPLES = 40
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("server")
    with running(folder, judge=QUICK, requests_per_second=1e6, burst=10**6) as found:
        for clip in drop(found, "one", "two"):
            found.finished(clip)
        yield found


def test_every_operation_answers_as_described(server: Running) -> None:
    description = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    # The stream of events never ends; test_serve_api.py reads it.
    description = description.exclude(path="/api/events")
    asked = []
    with server.client() as client:
        ids = [clip["id"] for clip in client.get("/api/clips").json()["clips"]]
    for found in description.get_all_operations():
        operation = found.ok()
        asked.append(operation.label)

        @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(), real=st.sampled_from([None, *ids]))
        def ask(case: Any, real: str | None) -> None:
            if real is not None and "clip" in case.path_parameters:
                case.path_parameters["clip"] = real
            case.call_and_validate(checks=CHECKS)

        ask()
    assert len(asked) == 10, asked


def test_the_same_with_values_that_the_description_forbids(server: Running) -> None:
    description = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    for found in description.exclude(path="/api/events").get_all_operations():
        operation = found.ok()
        if not operation.query and not operation.path_parameters and not operation.body:
            continue  # nothing can be off

        @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
        def ask(case: Any) -> None:
            case.call_and_validate(checks=[not_a_server_error])

        ask()
