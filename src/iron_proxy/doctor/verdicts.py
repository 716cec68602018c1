"""
From what was seen of a client to a sentence about it: whether it works, else what is missing.

Nothing is started here; the files that variables name are looked into, to tell which one is wrong.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from iron_proxy.doctor.child import ChildEnd
from iron_proxy.doctor.clients import Client
from iron_proxy.doctor.environments import names_java_proxy
from iron_proxy.doctor.own_proxy import Evidence
from iron_proxy.jail.trust import holds_ca


class Way(Enum):
    """How a client was started. The values are the names in the report."""

    AS_IT_IS = "as it is"      # with the variables of this environment
    ROUTED = "by DNS"          # with ours, for traffic that is routed to the proxy: the CA alone
    PROXIED = "by HTTPS_PROXY"  # with ours, for traffic that is sent to the proxy


class Reason(Enum):
    """Why a client does not work, or that it does. The values are those of `reason` in JSON."""

    WORKS = "works"
    UNTRUSTED = "ca-not-trusted"
    NOT_PROXIED = "proxy-not-used"
    TOO_SLOW = "time-limit"
    FAILED = "failed"
    UNKNOWN = "not-asked"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One run, judged. `missing` is the variable to set, or SYSTEM_STORE; `complaint` the client's own words."""

    reason: Reason
    sentence: str
    missing: str = ""
    complaint: str = ""

    @property
    def works(self) -> bool:
        """Whether the client got its answer."""
        return self.reason is Reason.WORKS


SYSTEM_STORE = "system trust store"
# GnuTLS verifies when the handshake is over and then just leaves; what it says tells more than what the proxy saw.
_ABOUT_CERTIFICATES = re.compile(r"certificate|trust|unknown ?issuer|self.signed", re.IGNORECASE)
WORKS = Verdict(Reason.WORKS, "works")


def judge(
    client: Client, end: ChildEnd, evidence: Evidence, environment: Mapping[str, str], ca_pem: bytes, *, proxied: bool
) -> Verdict:
    """Judge a run through the doctor's own proxy, whose records are the evidence."""
    if evidence.was_served and end.status == 0:
        return WORKS
    if end.status is None:
        return Verdict(Reason.TOO_SLOW, "was stopped at the time limit", complaint=end.complaint)
    if evidence.was_served:
        return Verdict(Reason.FAILED, "trusts the CA and was answered, and failed all the same", "", end.complaint)
    if proxied and not evidence.was_tunnelled:
        return Verdict(Reason.NOT_PROXIED, "did not come to the proxy", "", end.complaint)
    if evidence.was_tunnelled or evidence.broke_off_tls or _ABOUT_CERTIFICATES.search(end.complaint):
        return untrusted(client, end, environment, ca_pem)
    return Verdict(Reason.FAILED, f"ended with status {end.status} and sent nothing", "", end.complaint)


def judge_by_status(end: ChildEnd) -> Verdict:
    """Judge a run through a proxy whose records are not ours to read."""
    if end.status == 0:
        return WORKS
    if end.status is None:
        return Verdict(Reason.TOO_SLOW, "was stopped at the time limit", complaint=end.complaint)
    return Verdict(Reason.FAILED, f"ended with status {end.status}", "", end.complaint)


def untrusted(client: Client, end: ChildEnd, environment: Mapping[str, str], ca_pem: bytes) -> Verdict:
    """The verdict on a client that broke the handshake off: which of its variables is to blame."""
    if not client.trust:
        sentence = f"does not trust the CA: {client.name} reads no variable, only the system's trust store"
        return Verdict(Reason.UNTRUSTED, sentence, SYSTEM_STORE, end.complaint)
    name = next((each for each in client.trust if environment.get(each)), client.trust[0])
    return Verdict(Reason.UNTRUSTED, f"does not trust the CA: {_fault(name, environment, ca_pem)}", name, end.complaint)


def _fault(name: str, environment: Mapping[str, str], ca_pem: bytes) -> str:
    value = environment.get(name, "")
    if not value:
        return f"{name} is not set"
    if name == "JAVA_TOOL_OPTIONS":
        has_store = "javax.net.ssl.trustStore=" in value
        return f"the trust store in {name} does not hold it" if has_store else f"{name} names no trust store"
    if not os.path.isfile(value):
        return f"{name} names a file that is not there"
    return f"the file in {name} does not hold it" if not holds_ca(value, ca_pem) else f"{name} seems right"


def lacks_proxy(client: Client, environment: Mapping[str, str]) -> Verdict | None:
    """The verdict on a client that would go past the proxy, so that it is not even started; None for all others."""
    if client.is_told_of_proxy or any(_names_proxy(name, environment) for name in client.proxy):
        return None
    name = client.proxy[0]
    what = "names no proxy" if environment.get(name) else "is not set"
    return Verdict(Reason.NOT_PROXIED, f"does not know of the proxy: {name} {what}", name)


def _names_proxy(name: str, environment: Mapping[str, str]) -> bool:
    value = environment.get(name, "")
    return names_java_proxy(value) if name == "JAVA_TOOL_OPTIONS" else bool(value)
