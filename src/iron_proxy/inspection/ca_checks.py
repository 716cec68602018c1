"""Checks of the CA's files, as a start makes them, and of what a start does not mind. Called by `examination.py`."""

from datetime import UTC, datetime, timedelta

from iron_proxy.certs.authority import CertificateAuthority
from iron_proxy.certs.ca_files import read_ca_files
from iron_proxy.config.schema import Config
from iron_proxy.errors import StartupError
from iron_proxy.inspection.findings import Findings

# A CA has to be given to every client anew: a month is a release cycle.
SOON = timedelta(days=30)


def check_ca(config: Config, findings: Findings, now: datetime | None = None) -> None:
    """IP301 to IP303. Reads the two files."""
    tls = config.tls
    if tls.mode == "sni-only" or not (tls.ca_cert and tls.ca_key):
        return                                     # not needed, or missing and told as an error of the configuration
    now = now or datetime.now(UTC)
    try:
        files = read_ca_files(tls.ca_cert, tls.ca_key)
        authority = CertificateAuthority.from_files(files, now)
    except StartupError as error:
        findings.add("IP301", None, "tls", str(error))
        return
    left = authority.not_after - now
    if left < SOON:
        findings.add("IP302", None, "tls.ca_cert", f"{tls.ca_cert} expires on {authority.not_after:%Y-%m-%d}")
    if files.is_open_to_others:
        findings.add("IP303", None, "tls.ca_key", f"{tls.ca_key} has mode {files.key_mode:04o}")
