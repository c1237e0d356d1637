"""No request names the host that is called, and a line by which one could is found."""

import json

import pytest

from local.gates.hosts import BOOTSTRAP, REGIONS, TRANSPORT, faults, in_scripts, in_template

STEP = "layers/holdfast/holdfast/steps/preflight.py"
FUNCTION = "functions/preflight/app.py"
SCOPE = "layers/holdfast/holdfast/genesys/platform/scope.py"


@pytest.mark.parametrize(
    ("path", "line", "said"),
    [
        (FUNCTION, "url = f\"https://{event['host']}/api\"", "an address, 'https://{}/api'"),
        (FUNCTION, 'url = "https://" + event["host"]', "an address, 'https://'"),
        (FUNCTION, 'url = "https://%s/api" % payload.host', "an address"),
        (FUNCTION, 'url = "https://{}/api".format(payload.host)', "an address"),
        (FUNCTION, 'url = "://".join(("https", host))', "an address"),
        (FUNCTION, 'url = f"{scheme}://{host}"', "an address, '{}://{}'"),
        (FUNCTION, 'url = "//" + host', "an address"),
        (STEP, 'URL = "http://api.mypurecloud.com"', "an address"),
        (STEP, 'HOST = "api.mypurecloud.de"', "a host"),
        (STEP, 'HOST = "evil.cloud:8443"', "a host"),
        ("cli/why.py", 'URL = "ftp://company.net"', "an address"),
        ("local/demo.py", 'URL = f"http://{scenario.host}:80"', "an address"),
        ("local/demo.py", 'URL = f"http://127.0.0.1{scenario.host}/"', "an address"),
        (REGIONS, 'URL = f"http://{api}"', "an address"),
        (REGIONS, 'MORE = {"eu": "api.evil.cloud"}', "in no domain of the vendor's"),
        (REGIONS, 'MORE = {"eu": "api.pure.cloud.evil.com"}', "in no domain of the vendor's"),
        (BOOTSTRAP, "import httpx\nhttpx.Client(base_url=event.host)", "base_url=event.host"),
        (BOOTSTRAP, "httpx.Client(base_url=hosts.api, follow_redirects=True)", "follows redirects"),
        (BOOTSTRAP, "httpx.Client(base_url=hosts.api, follow_redirects=following)", "follows redirects"),
        (BOOTSTRAP, "httpx.Client(base_url=hosts.api, verify=False)", "verify is False"),
        (BOOTSTRAP, "httpx.HTTPTransport(verify=settings().verify)", "verify is settings().verify"),
        (BOOTSTRAP, 'httpx.Client(**{"verify": False})', "verify is False"),
        (BOOTSTRAP, "api.follow_redirects = True", "follows redirects"),
        (BOOTSTRAP, "hosts = hosts_of(event['region'])", "the vendor's region is a setting"),
        (BOOTSTRAP, '_session().create_client("s3", endpoint_url=url)', "endpoint_url=url"),
        (BOOTSTRAP, '_session().create_client("s3", verify=False)', "verify is False"),
        ("cli/connection.py", 'session.client("s3", use_ssl=False)', "use_ssl is False"),
        ("local/world.py", "httpx.get(url, follow_redirects=True)", "follows redirects"),
        (
            "layers/holdfast/holdfast/aws/queues.py",
            "client.send_message(QueueUrl=message.queue)",
            "QueueUrl=message.queue",
        ),
        (FUNCTION, "httpx.get(event['url'])", "httpx.get: clients are made in bootstrap alone"),
        (SCOPE, "httpx.Client()", "httpx.Client: clients are made"),
        (SCOPE, "ask = httpx.post", "httpx.post: clients are made"),
        (SCOPE, "from httpx import get", "imports from httpx"),
        (STEP, "import urllib.request", "imports urllib.request"),
        (STEP, "from urllib import request", "imports urllib.request"),
        (STEP, "import socket", "imports socket"),
        ("cli/why.py", "import requests", "imports requests"),
        (STEP, "from urllib.parse import urlunsplit", "addresses are not put together"),
        (SCOPE, "self._transport.get(payload.path)", "payload.path: a path of the vendor's API"),
        (SCOPE, "def f(self, path):\n    self._transport.get(path)", "path: a path of the vendor's API"),
        (SCOPE, 'self._transport.get(f"{payload.host}/api/v2/")', "a path of the vendor's API"),
        (SCOPE, 'self._transport.get("/login/there")', "a path of the vendor's API"),
        (BOOTSTRAP, "httpx.Client(base_url=hosts.api, proxy=event['proxy'])", "proxy=event['proxy']"),
        (BOOTSTRAP, "session.create_client('s3', region_name=event['region'])", "region_name=event"),
        ("cli/report.py", "webbrowser.open(record.url)", "what is shown is a file"),
        ("local/demo.py", "httpx.get(scenario.url)", "httpx.get: clients are made"),
        ("local/emulator/process.py", "urllib.request.urlopen(scenario.url)", "opens scenario.url"),
        (TRANSPORT, 'self._api.request(method, document["url"])', "a path of the vendor's API"),
    ],
)
def test_a_host_that_something_else_could_name_is_found(path: str, line: str, said: str) -> None:
    found = list(faults({path: line}))

    assert any(said in fault for fault in found), found
    assert all(fault.startswith(f"{path}:") for fault in found)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (SCOPE, '"""Read https://developer.genesys.cloud for more."""'),
        (SCOPE, '_JOBS = "/api/v2/recording/jobs"\nself._transport.get(f"{_JOBS}/{job_id}")'),
        (SCOPE, "def f(api: httpx.Client) -> httpx.Request: ..."),
        (STEP, 'name = f"s3://{bucket}/{key}"'),
        (STEP, 'said = "expected a path, found none: state it / leave it"'),
        (STEP, "answer = answers.get(key)"),
        (REGIONS, 'ONE = {"eu": "api.euc2.pure.cloud", "gov": "api.use2.us-gov-pure.cloud"}'),
        (BOOTSTRAP, "httpx.Client(base_url=hosts.api, follow_redirects=False, verify=True)"),
        (BOOTSTRAP, "answers = {'verify': Entry('cli.verify')}"),
        ("local/world.py", 'url = f"http://127.0.0.1:{port}/ready"'),
    ],
)
def test_what_names_no_host_is_left_alone(path: str, line: str) -> None:
    assert list(faults({path: line})) == []


@pytest.mark.parametrize(
    "parameter",
    [
        {"Default": "https://api.mypurecloud.de", "AllowedPattern": "^(http://127\\.0\\.0\\.1:\\d{1,5})?$"},
        {"Default": "", "AllowedPattern": "^https?://.*$"},
        {"Default": ""},
    ],
)
def test_a_parameter_of_the_template_that_could_name_a_host_is_found(parameter: dict[str, str]) -> None:
    (fault,) = in_template(json.dumps({"Parameters": {"GenesysBaseUrl": parameter}}))

    assert fault.startswith("template.yaml: GenesysBaseUrl is empty by default")


@pytest.mark.parametrize(
    "path", ["Makefile", ".ci/run", ".github/workflows/check.yml", "requirements/dev.txt"]
)
def test_an_address_in_a_script_is_found(path: str) -> None:
    assert list(in_scripts({path: "fetch\nfetch https://company.example\n"})) == [
        f"{path}:2: an address in a script: what is fetched comes from a package index"
    ]
