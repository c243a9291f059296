"""The pages, without a broker: who sees what, and what is refused."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from console.accounts import Accounts, Role, set_user
from console.config import BrokerConfig, Config, HistoryConfig, WebConfig
from console.service import Console
from console.web.app import make_app
from console.web.texts import LANGUAGES, best_language, texts
from provisioning.lab import make_lab
from tests.console.said import health, state

PASSWORD = "a long password"
DEVICE = "/device/lyon/a.example"
PAGES = ("/", DEVICE, "/events", "/audit", "/keys")


def _client(tmp_path: Path, web: WebConfig | None = None) -> TestClient:
    lab = tmp_path / "lab"
    make_lab(lab)
    users = tmp_path / "users.toml"
    for role in Role:
        set_user(users, role.value, role, PASSWORD)
    broker = BrokerConfig(
        address="localhost:1",
        certificate=str(lab / "console.crt"),
        key=str(lab / "console.key"),
        authority=str(lab / "authority.crt"),
    )
    config = Config(broker=broker, history=HistoryConfig(url=f"sqlite:///{tmp_path}/history.db"))
    console = Console(config)
    console._take("v1/lyon/a.example/state", state())
    console._take("v1/lyon/a.example/health", health(loss_percent=1.5))
    app = make_app(console, Accounts(users), web or WebConfig(metrics_token="token"), b"k" * 32)
    return TestClient(app, base_url="http://console.example", follow_redirects=False)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    with _client(tmp_path) as client:
        yield client


def _sign_in(client: TestClient, role: Role = Role.OPERATOR) -> None:
    answer = client.post("/sign-in", data={"name": role.value, "password": PASSWORD})
    assert answer.status_code == 303
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert "SameSite=strict" in answer.headers["set-cookie"]


def _token(client: TestClient) -> str:
    page = client.get("/").text
    return page.split('"token": "')[1].split('"')[0]


def test_nobody_sees_anything_without_signing_in(client: TestClient) -> None:
    for page in PAGES:
        answer = client.get(page)
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    for address in ("/api/fleet", "/api/stream", f"/api{DEVICE}", f"/api{DEVICE}/history"):
        assert client.get(address).status_code == 401
    assert client.post(f"/api{DEVICE}/command", content="{}").status_code == 401
    assert client.post("/sign-in", data={"name": "operator", "password": "wrong"}).status_code == 403
    assert client.get("/sign-in").status_code == 200
    client.cookies.set("cathlink_session", "forged")
    assert client.get("/").status_code == 303


def test_every_page_says_how_a_browser_keeps_it_safe(client: TestClient) -> None:
    _sign_in(client)
    for page in (*PAGES, "/sign-in", "/no/such/page"):
        headers = client.get(page).headers
        assert "script-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_pages_and_figures_of_a_device(client: TestClient) -> None:
    _sign_in(client, Role.VIEWER)
    for page in PAGES:
        assert client.get(page).status_code == 200
    [glance] = client.get("/api/fleet").json()["glances"]
    assert glance[:5] == ["lyon", "a.example", "sender", "online", "LIVE"]
    assert client.get(f"/api{DEVICE}").json()["health"]["path"] == {"loss_percent": 1.5}
    assert client.get(f"/api{DEVICE}/history?hours=24").json()["minutes"] == []
    assert client.get(f"/api{DEVICE}/history?hours=x").status_code == 400
    for address in ("/device/lyon/other", "/api/device/lyon/other", "/api/device/lyon/other/history"):
        assert client.get(address).status_code == 404


def test_nothing_is_changed_for_another_site(client: TestClient) -> None:
    _sign_in(client)
    assert client.post("/sign-out").status_code == 403
    assert client.post(f"/api{DEVICE}/command", content="{}").status_code == 403
    token = {"x-token": _token(client)}
    foreign = token | {"origin": "https://elsewhere.example"}
    assert client.post(f"/api{DEVICE}/command", content="{}", headers=foreign).status_code == 403
    assert client.post("/sign-out", headers=token).status_code == 303
    assert client.get("/").status_code == 303


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("nonsense", "not a Signed"),
        ('{"signed": "{}", "signatures": []}', "not a Command"),
        ("x" * 70_000, "too long"),
    ],
)
def test_a_command_that_is_none_is_said(client: TestClient, body: str, problem: str) -> None:
    _sign_in(client)
    answer = client.post(f"/api{DEVICE}/command", content=body, headers={"x-token": _token(client)})
    assert answer.status_code in (409, 413)
    assert problem in answer.json()["problem"]


def test_metrics_need_their_token(client: TestClient) -> None:
    assert client.get("/metrics").status_code == 401
    answer = client.get("/metrics", headers={"authorization": "Bearer token"})
    assert 'cathlink_devices{alert="good",presence="online"} 1.0' in answer.text
    assert 'cathlink_loss_percent{device="a.example",site="lyon"} 1.5' in answer.text


def test_without_a_token_there_are_no_metrics(tmp_path: Path) -> None:
    with _client(tmp_path, WebConfig()) as client:
        assert client.get("/metrics").status_code == 404


def test_a_proxy_may_sign_in(tmp_path: Path) -> None:
    with _client(tmp_path, WebConfig(proxy_user_header="X-User")) as client:
        assert client.get("/").status_code == 303
        assert client.get("/", headers={"X-User": "nobody"}).status_code == 303
        page = client.get("/", headers={"X-User": "engineer"})
        assert page.status_code == 200
        token = page.text.split('"token": "')[1].split('"')[0]
        answer = client.post(f"/api{DEVICE}/command", content="", headers={"X-User": "engineer", "x-token": token})
        assert answer.status_code == 409  # it is refused as no command, not as another site's


def test_the_page_is_in_the_readers_language(client: TestClient) -> None:
    _sign_in(client)
    assert "Parc" in client.get("/", headers={"accept-language": "fr-CA,en;q=0.5"}).text
    assert "Fleet" in client.get("/", headers={"accept-language": "de,en;q=0.5"}).text
    client.get("/language/fr")
    assert "Parc" in client.get("/", headers={"accept-language": "en"}).text
    assert best_language("xx", ",;,") == "en"


def test_every_word_is_there_in_every_language() -> None:
    first, *others = (texts(language) for language in LANGUAGES)
    for other in others:
        assert other.keys() == first.keys()
        assert all(other.values())
