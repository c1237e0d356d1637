from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.genesys.regions import API_HOSTS, Hosts, hosts_of

LOOPBACK = "http://127.0.0.1:"


@pytest.mark.parametrize("region", sorted(API_HOSTS))
def test_every_region_has_its_api_and_its_login_host_over_tls(region: str) -> None:
    hosts = hosts_of(region)

    assert hosts.api == f"https://{API_HOSTS[region]}"
    assert hosts.login == hosts.api.replace("https://api.", "https://login.")


@pytest.mark.parametrize(
    ("region", "api"),
    [
        ("us-east-1", "https://api.mypurecloud.com"),
        ("us-east-2", "https://api.use2.us-gov-pure.cloud"),
        ("eu-central-1", "https://api.mypurecloud.de"),
        ("ap-southeast-2", "https://api.mypurecloud.com.au"),
        ("eusc-de-east-1", "https://api.edee1.eusc-pure.cloud"),
    ],
)
def test_the_hosts_are_the_vendors_own(region: str, api: str) -> None:
    assert hosts_of(region).api == api


def test_the_template_offers_the_same_regions_as_the_table() -> None:
    template = Path(__file__).resolve().parents[3] / "template.yaml"

    text = template.read_text()

    assert [region for region in API_HOSTS if region not in text] == []


def test_a_simulator_on_the_same_machine_takes_both_places() -> None:
    assert hosts_of("eu-central-1", "http://127.0.0.1:8080") == Hosts(
        "http://127.0.0.1:8080", "http://127.0.0.1:8080"
    )


@given(st.text())
def test_no_other_region_is_accepted(region: str) -> None:
    if region not in API_HOSTS:
        with pytest.raises(ValueError, match="GenesysRegion"):
            hosts_of(region)


def _is_loopback(text: str) -> bool:
    port = text.removeprefix(LOOPBACK)
    return text.startswith(LOOPBACK) and port.isascii() and port.isdigit() and len(port) <= 5


@given(st.text(min_size=1) | st.from_regex(r"https?://127\.0\.0\.1:?\d*.*", fullmatch=True))
def test_no_other_base_url_is_accepted(base_url: str) -> None:
    if not _is_loopback(base_url):
        with pytest.raises(ValueError, match="GenesysBaseUrl"):
            hosts_of("eu-central-1", base_url)


@pytest.mark.parametrize(
    "base_url",
    [
        "https://127.0.0.1:8080",
        "http://localhost:8080",
        "http://127.0.0.1",
        "http://127.0.0.1:8080/",
        "http://127.0.0.1:8080\n",
        "http://127.0.0.1:8080@evil.example",
        "http://127.0.0.1:٣",  # a digit, but not one of ASCII
        "http://127.0.0.11:80",
        "http://127.0.0.1.evil.example:80",
        "http://169.254.169.254:80",
        "http://[::1]:80",
        " http://127.0.0.1:80",
        "HTTP://127.0.0.1:80",
        "https://api.mypurecloud.de",
    ],
)
def test_what_only_looks_like_loopback_is_refused_without_being_repeated(base_url: str) -> None:
    with pytest.raises(ValueError, match="GenesysBaseUrl") as refused:
        hosts_of("eu-central-1", base_url)

    assert "evil" not in str(refused.value)


def test_the_base_url_is_checked_before_the_region() -> None:
    with pytest.raises(ValueError, match="GenesysBaseUrl"):
        hosts_of("nowhere", "http://evil.example:80")
