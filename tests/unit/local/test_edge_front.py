"""The local front over stacks/edge.yaml: which origin gets a request, with which headers, and what the filter stops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import pytest
from bonafide_tokens.origin_secret import HEADER

from devkit.edge.cache import Answer
from devkit.edge.distribution import Behaviour, Origin, read_distribution
from devkit.edge.front import Front, Request, Viewer
from devkit.edge.web_acl import read_web_acl
from devkit.local.provision import pseudo_parameters
from devkit.local.template import Template

EDGE = Path(__file__).parents[3] / "stacks/edge.yaml"
SECRET = "c" * 43
ORIGINS = {name: f"http://{name}.test" for name in ("verifier", "verifier-documents", "guarded", "documents")}
OK = Answer(200, {"content-type": "application/json", "server": "Origin"}, b"{}")


@dataclass
class Recorded(Front):
    """A front whose origins are variables: by id, what each answers. ``sent`` is what reached one."""

    answers: dict[str, Answer] = field(default_factory=dict)
    sent: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def _ask(self, origin: Origin, request: Request, behaviour: Behaviour, etag: str | None) -> Answer:
        self.sent.append((origin.id, self._sent(origin, request, behaviour, etag)))
        return self.answers.get(origin.id, OK)


@dataclass
class World:
    """A front with a clock."""

    now: float = 0.0
    front: Recorded = field(init=False)
    parameters: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        given = {
            "VerifierDomain": "verifier.test",
            "GuardedDomain": "guarded.test",
            "DocumentsDomain": "documents.test",
            "OriginSecret": SECRET,
            "OriginSecretHash": sha256(SECRET.encode()).hexdigest(),
            "WafMode": "block",
            "RequestsPerAddress": "20",
            "EnrolmentsPerAddress": "10",
            **self.parameters,
        }
        pseudo = pseudo_parameters("edge") | {"AWS::Region": "us-east-1"}
        template = Template.load(EDGE, parameters=given, pseudo=pseudo)
        distribution = read_distribution(template, ORIGINS)
        clock: Callable[[], float] = lambda: self.now  # noqa: E731
        self.front = Recorded(distribution, read_web_acl(template.properties("WebAcl"), clock), clock)

    def call(
        self,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        *,
        viewer: str = "",
        query: str = "",
        body: bytes = b"",
    ) -> Answer:
        request = Request(method, path, query, headers or {}, body, Viewer.read(viewer))
        return self.front.answer(request)


@pytest.fixture
def world() -> World:
    return World()


def test_country_and_network_are_the_edges_own(world: World) -> None:
    """The attack: a client that names its own country."""
    spoofed = {"cloudfront-viewer-country": "CH", "cloudfront-viewer-asn": "1", "cloudfront-is-mobile-viewer": "true"}
    world.call("POST", "/v1/tokens", spoofed, viewer="198.51.100.7 KP 64496")
    ((origin, sent),) = world.front.sent
    assert origin == "verifier"
    own = {name: value for name, value in sent.items() if name.startswith("cloudfront-")}
    assert own == {"cloudfront-viewer-country": "KP", "cloudfront-viewer-asn": "64496"}


def test_unknown_country_is_absent_and_not_the_clients(world: World) -> None:
    world.call("POST", "/v1/tokens", {"cloudfront-viewer-country": "CH"}, viewer="198.51.100.7")
    assert "cloudfront-viewer-country" not in world.front.sent[0][1]


@pytest.mark.parametrize("path", ["/v1/tokens", "/orders", "/v1/client-policies/demo"])
def test_origin_secret_is_the_edges_own(world: World, path: str) -> None:
    """Whatever a client writes there, in whatever case."""
    world.call("GET" if "policies" in path else "POST", path, {HEADER: "guess"})
    sent = {name.lower(): value for name, value in world.front.sent[0][1].items()}
    assert sent[HEADER] == SECRET
    assert [name.lower() for name in world.front.sent[0][1]].count(HEADER) == 1


def test_guarded_api_gets_all_headers_but_the_edges(world: World) -> None:
    mine = {"authorization": "Bearer x", "dpop": "proof", "x-anything": "y", "cloudfront-viewer-country": "CH"}
    world.call("GET", "/orders/1", mine, query="page=2")
    origin, sent = world.front.sent[0]
    assert origin == "guarded"
    assert {"authorization", "dpop", "x-anything"} <= sent.keys()
    assert "cloudfront-viewer-country" not in sent


def test_verifier_gets_what_it_reads_and_no_more(world: World) -> None:
    world.call("POST", "/v1/signals", {"dpop": "proof", "content-type": "application/json", "cookie": "c", "x-a": "b"})
    sent = world.front.sent[0][1]
    assert {"dpop", "content-type"} <= sent.keys()
    assert not {"cookie", "x-a"} & sent.keys()


def test_address_of_the_viewer_is_told_on(world: World) -> None:
    world.call("POST", "/v1/tokens", {"x-forwarded-for": "10.0.0.1"}, viewer="198.51.100.7 DE 64496")
    assert world.front.sent[0][1]["x-forwarded-for"] == "10.0.0.1, 198.51.100.7"


def test_trust_bundle_comes_from_the_copy_and_else_from_the_api(world: World) -> None:
    for status, asked in ((200, ["documents"]), (403, ["documents", "verifier-documents"])):
        world.front.sent.clear()
        world.front.answers["documents"] = Answer(status, {"cache-control": "no-store"}, b"")
        assert world.call("GET", "/v1/trust-bundle").status == 200
        assert [origin for origin, _ in world.front.sent] == asked


def test_client_policy_comes_from_the_api_and_else_from_the_copy(world: World) -> None:
    """By install: what one gets in a rollout is not another's. Throttled or lost, the API has a copy."""
    world.front.answers["verifier-documents"] = Answer(200, {"cache-control": "private, max-age=0"}, b"")
    for status, asked in (
        (200, ["verifier-documents"]),
        (429, ["verifier-documents", "documents"]),
        (404, ["verifier-documents"]),
    ):
        world.front.sent.clear()
        world.front.answers["verifier-documents"] = Answer(status, {}, b"")
        world.call("GET", "/v1/client-policies/demo", query="install=a&other=x")
        assert [origin for origin, _ in world.front.sent] == asked, status


def test_copies_of_client_policies_are_kept_by_install(world: World) -> None:
    world.front.answers["verifier-documents"] = Answer(503, {}, b"")
    world.front.answers["documents"] = Answer(200, {"cache-control": "public, max-age=1"}, b"")
    for query, asked in (("install=a", 2), ("other=1&install=a", 2), ("install=b", 4)):
        world.call("GET", "/v1/client-policies/demo", query=query)
        assert len(world.front.sent) == asked, query


def test_posts_are_not_repeated_at_another_origin(world: World) -> None:
    world.front.answers["verifier"] = Answer(503, {}, b"")
    assert world.call("POST", "/v1/attestations").status == 503
    assert len(world.front.sent) == 1


def test_guarded_answers_are_not_kept(world: World) -> None:
    """Neither successes nor errors, whatever the backend says of caching."""
    for status in (200, 404, 500):
        world.front.answers["guarded"] = Answer(status, {"cache-control": "public, max-age=600"}, b"")
        before = len(world.front.sent)
        for _ in range(2):
            assert world.call("GET", "/orders/1").status == status
        assert len(world.front.sent) == before + 2


def test_operators_do_not_pass(world: World) -> None:
    world.call("GET", "/admin/apps")
    assert world.front.sent[0][0] == "guarded"


def test_documents_take_no_posts(world: World) -> None:
    assert world.call("POST", "/v1/trust-bundle").status == 403
    assert world.front.sent == []


def test_answers_have_security_headers(world: World) -> None:
    answer = world.call("POST", "/v1/tokens")
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-cache"] == "Miss from cloudfront"
    assert "server" not in answer.headers


def test_viewer_that_has_the_document_gets_a_304(world: World) -> None:
    world.front.answers["documents"] = Answer(200, {"etag": '"7"', "cache-control": "max-age=9"}, b"bundle")
    assert world.call("GET", "/v1/trust-bundle").body == b"bundle"
    again = world.call("GET", "/v1/trust-bundle", {"if-none-match": '"7"'})
    assert (again.status, again.body) == (304, b"")


def test_one_address_is_stopped_and_others_go_on(world: World) -> None:
    """Enrolments have a limit of their own, below that of all requests; the window moves on."""
    statuses = [world.call("POST", "/v1/challenges", viewer="198.51.100.7 DE 1").status for _ in range(15)]
    assert statuses == [200] * 10 + [429] * 5
    blocked = world.call("POST", "/v1/attestations", viewer="198.51.100.7 DE 1")
    assert (blocked.status, blocked.headers["retry-after"]) == (429, "60")
    assert b"/problems/quota" in blocked.body
    assert world.call("POST", "/v1/tokens", viewer="198.51.100.7 DE 1").status == 200
    assert world.call("POST", "/v1/challenges", viewer="198.51.100.8 DE 1").status == 200
    world.now += 310
    assert world.call("POST", "/v1/challenges", viewer="198.51.100.7 DE 1").status == 200
    assert world.front.web_acl.counted["enrolments-per-address"] == 6


def test_all_requests_of_one_address_have_a_limit(world: World) -> None:
    statuses = [world.call("GET", "/v1/trust-bundle", viewer="198.51.100.7").status for _ in range(22)]
    assert statuses == [200] * 20 + [429] * 2


def test_counting_filter_stops_nothing() -> None:
    world = World(parameters={"WafMode": "count"})
    statuses = {world.call("POST", "/v1/challenges", viewer="198.51.100.7 DE 1").status for _ in range(30)}
    assert statuses == {200}
    assert world.front.web_acl.counted["enrolments-per-address"] == 20


def test_evidence_of_64_kib_passes_and_no_byte_more(world: World) -> None:
    assert world.call("POST", "/v1/attestations", body=b"x" * 65_536).status == 200
    refused = world.call("POST", "/v1/attestations", body=b"x" * 65_537)
    assert (refused.status, b"/problems/too-large" in refused.body) == (413, True)


def test_long_query_is_stopped(world: World) -> None:
    assert world.call("GET", "/v1/client-policies/demo", query="install=" + "x" * 3000).status == 403
