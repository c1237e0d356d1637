"""The vendor's hosts. There is no other way to name one.

Source: the vendor's official SDK, PureCloudPlatformClientV2 269.0.0, `purecloud_region_hosts.py`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

API_HOSTS: Mapping[str, str] = {
    "us-east-1": "api.mypurecloud.com",
    "us-east-2": "api.use2.us-gov-pure.cloud",
    "us-west-2": "api.usw2.pure.cloud",
    "ca-central-1": "api.cac1.pure.cloud",
    "eu-west-1": "api.mypurecloud.ie",
    "eu-west-2": "api.euw2.pure.cloud",
    "eu-central-1": "api.mypurecloud.de",
    "eu-central-2": "api.euc2.pure.cloud",
    "ap-southeast-1": "api.apse1.pure.cloud",
    "ap-southeast-2": "api.mypurecloud.com.au",
    "ap-northeast-1": "api.mypurecloud.jp",
    "ap-northeast-2": "api.apne2.pure.cloud",
    "ap-northeast-3": "api.apne3.pure.cloud",
    "ap-south-1": "api.aps1.pure.cloud",
    "sa-east-1": "api.sae1.pure.cloud",
    "me-central-1": "api.mec1.pure.cloud",
    "mx-central-1": "api.mxc1.pure.cloud",
    "eusc-de-east-1": "api.edee1.eusc-pure.cloud",
}

_LOOPBACK = re.compile(r"http://127\.0\.0\.1:[0-9]{1,5}")  # \d would take the digits of every script


@dataclass(frozen=True, slots=True)
class Hosts:
    """Where the API and the token endpoint are, without a trailing slash."""

    api: str
    login: str


def hosts_of(region: str, base_url: str = "") -> Hosts:
    """Name the hosts of a region.

    Args:
        region: the AWS region the Genesys organisation lives in.
        base_url: empty, or ``http://127.0.0.1:<port>`` for a simulator on the same machine.

    Raises:
        ValueError: the region is not in the table, or the base URL is anything but loopback.
    """
    if base_url:
        if not _LOOPBACK.fullmatch(base_url):
            raise ValueError("GenesysBaseUrl: expected nothing or http://127.0.0.1:<port>")
        return Hosts(base_url, base_url)
    if region not in API_HOSTS:
        raise ValueError(f"GenesysRegion: expected one of {', '.join(sorted(API_HOSTS))}")
    api = API_HOSTS[region]
    return Hosts(f"https://{api}", f"https://{api.replace('api.', 'login.', 1)}")
