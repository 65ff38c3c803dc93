"""HTTP as Okta's SCIM client speaks it."""

from collections.abc import Iterator

import pytest

from demo.okta import OktaTenant, Person
from demo.scim_client import ATTEMPTS, UNTOLD_SECONDS, OktaError
from tests.demo.recorder import Answer, Recorder, recorder

BUSY = 429


@pytest.fixture
def server() -> Iterator[Recorder]:
    with recorder() as found:
        yield found


def test_requests_carry_the_headers_of_oktas_client(server: Recorder) -> None:
    server.answers = [Answer(body='{"totalResults": 0}'), Answer(body='{"id": "1"}')]
    with OktaTenant(server.url, "secret") as okta:
        okta.assign(Person("ana@acme.example", "Ana", "Abel"))
    match, create = server.sent
    for request in (match, create):
        assert request.headers["user-agent"] == "Okta SCIM Client 1.0.0"
        assert request.headers["accept"] == "application/scim+json"
        assert request.headers["accept-encoding"] == "gzip,deflate"
        assert request.headers["authorization"] == "Bearer secret"
    assert "content-type" not in match.headers
    assert create.headers["content-type"] == "application/scim+json; charset=utf-8"


def test_a_bare_token_has_no_scheme(server: Recorder) -> None:
    with OktaTenant(server.url, "secret", bare_token=True) as okta:
        okta.connection_test()
    assert {request.headers["authorization"] for request in server.sent} == {"secret"}


def test_the_connection_test_asks_for_two_users_and_a_page_of_groups(server: Recorder) -> None:
    with OktaTenant(server.url, "secret") as okta:
        okta.connection_test()
    assert [request.path for request in server.sent] == [
        "/scim/v2/Users?startIndex=1&count=2",
        "/scim/v2/Groups?startIndex=1&count=100",
    ]


@pytest.mark.parametrize(
    ("retry_after", "seconds"), [("7", 7.0), ("Wed, 21 Oct 2026 07:28:00 GMT", UNTOLD_SECONDS), ("", UNTOLD_SECONDS)]
)
def test_429_is_waited_out_for_whole_seconds_only(server: Recorder, retry_after: str, seconds: float) -> None:
    server.answers = [Answer(BUSY, headers={"Retry-After": retry_after}), Answer()]
    waited: list[float] = []
    with OktaTenant(server.url, "secret", sleep=waited.append) as okta:
        okta.connection_test(group_import=False)
    assert waited == [seconds]


def test_429_is_tried_ten_times(server: Recorder) -> None:
    server.answers = [Answer(BUSY, '{"detail": "Too many requests."}', {"Retry-After": "1"})]
    with OktaTenant(server.url, "secret", sleep=lambda _: None) as okta, pytest.raises(OktaError) as failed:
        okta.connection_test()
    assert len(server.sent) == ATTEMPTS
    assert failed.value.status == BUSY


def test_other_failures_are_not_tried_again(server: Recorder) -> None:
    server.answers = [Answer(500, '{"detail": "Something went wrong."}')]
    with OktaTenant(server.url, "secret") as okta, pytest.raises(OktaError):
        okta.connection_test()
    assert len(server.sent) == 1


def test_an_error_reads_as_okta_shows_it(server: Recorder) -> None:
    server.answers = [Answer(409, '{"detail": "The userName is taken.", "status": "409"}')]
    with OktaTenant(server.url, "secret") as okta, pytest.raises(OktaError) as failed:
        okta.connection_test()
    assert str(failed.value) == (
        "Error authenticating: Conflict. Errors reported by remote server: The userName is taken."
    )


def test_a_page_of_html_hides_the_cause(server: Recorder) -> None:
    server.answers = [Answer(502, "<html>Bad gateway</html>")]
    with OktaTenant(server.url, "secret") as okta, pytest.raises(OktaError) as failed:
        okta.connection_test()
    assert "could not be parsed" in str(failed.value)


def test_a_server_that_is_away_is_an_error_without_status() -> None:
    with OktaTenant("http://127.0.0.1:9/scim/v2/", "secret") as okta, pytest.raises(OktaError) as failed:
        okta.connection_test()
    assert failed.value.status is None
