"""gunicorn behind nginx: what the proxy must be told for the sake of a session cookie.

Needs nginx (Debian: nginx-light) and openssl; without them these tests fail.
"""

from __future__ import annotations

import json
import shlex
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support import KEY, free_port, serve
from visitor import Visitor

from cookiesession import CookieOptions

COOKIE = CookieOptions().name
HOST = "shop.example"
OPENSSL = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
    " -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
    " -keyout key.pem -out certificate.pem"
)
#: So many letters make a cookie of 4,000 to 4,096 bytes, as many as browsers keep.
LETTERS = 3930
FORWARDED = "proxy_set_header X-Forwarded-Proto $scheme;"

CONFIGURATION = """
daemon off;
master_process off;
pid nginx.pid;
error_log stderr;
events {{ }}
http {{
    access_log off;
    client_body_temp_path temporary;
    proxy_temp_path temporary;
    fastcgi_temp_path temporary;
    uwsgi_temp_path temporary;
    scgi_temp_path temporary;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate certificate.pem;
        ssl_certificate_key key.pem;
        location / {{
            proxy_pass http://127.0.0.1:{behind};
            proxy_set_header Host $host;
            {directives}
        }}
    }}
}}
"""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a certificate for 127.0.0.1, and its key."""
    directory = tmp_path_factory.mktemp("certificate")
    command = shlex.split(OPENSSL)
    subprocess.run(command, cwd=directory, check=True, capture_output=True)
    return directory


@contextmanager
def proxied(directory: Path, directives: str) -> Iterator[tuple[Visitor, Path]]:
    """A visitor of gunicorn behind nginx, and the file that gunicorn logs to."""
    behind, port = free_port(), free_port()
    (directory / "nginx.conf").write_text(
        CONFIGURATION.format(port=port, behind=behind, directives=directives),
        encoding="utf-8",
    )
    app = ("python", "-m", "gunicorn", "--bind", f"127.0.0.1:{behind}", "app:app")
    env = {"SECRET_KEY": KEY, "PYTHONPATH": str(Path(__file__).parent)}
    proxy = ("nginx", "-p", str(directory), "-c", "nginx.conf", "-e", "stderr")
    with (
        serve(*app, port=behind, cwd=directory, env=env),
        serve(*proxy, port=port, cwd=directory),
    ):
        tls = ssl.create_default_context(cafile=str(directory / "certificate.pem"))
        yield Visitor(port, tls), directory / f"server-{behind}.log"


@pytest.mark.parametrize(
    ("directives", "scheme", "warns"),
    [
        # gunicorn trusts a proxy on 127.0.0.1 (--forwarded-allow-ips).
        pytest.param(FORWARDED, "https", False, id="forwarded"),
        pytest.param("", "http", True, id="not-forwarded"),
    ],
)
def test_the_forwarded_protocol_decides_about_the_warning(
    certificate: Path, directives: str, scheme: str, warns: bool
) -> None:
    with proxied(certificate, directives) as (visitor, log):
        assert visitor.visit("/count", host=HOST).body == b"1"
        assert visitor.visit("/count", host=HOST).body == b"2"
        assert json.loads(visitor.visit("/show", host=HOST).body)["scheme"] == scheme
        printed = log.read_text(encoding="utf-8")
    assert ("a Secure session cookie is set over http" in printed) is warns


@pytest.mark.parametrize(
    ("directives", "status"),
    [
        # "By default, the buffer size is equal to one memory page", 4 kB: too small for
        # a response with a cookie as large as browsers allow.
        pytest.param(FORWARDED, 502, id="default"),
        pytest.param(f"{FORWARDED} proxy_buffer_size 8k;", 200, id="8k"),
    ],
)
def test_a_cookie_of_4000_bytes_needs_a_proxy_buffer_of_8k(
    certificate: Path, directives: str, status: int
) -> None:
    with proxied(certificate, directives) as (visitor, _):
        assert visitor.visit(f"/fill?{LETTERS}").status == status
        if status == 200:
            assert 4000 <= len(COOKIE) + len(visitor.cookies[COOKIE]) <= 4096
            seen = json.loads(visitor.visit("/show").body)
            assert len(seen["session"]["letters"]) == LETTERS


def test_a_gunicorn_that_does_not_trust_the_proxy_sees_plain_http(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # "--forwarded-allow-ips": a proxy on another machine has to be named.
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "192.0.2.1")
    with proxied(certificate, FORWARDED) as (visitor, _):
        seen = json.loads(visitor.visit("/show", host=HOST).body)
    assert seen["scheme"] == "http"
