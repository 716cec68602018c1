"""A throw-away CA and one leaf for the origin and the other proxies to show; iron-proxy signs its own."""

from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """Where they lie, all PEM. The keys are ECDSA P-256, so that every arm does the same arithmetic."""

    ca: Path
    ca_key: Path
    leaf: Path
    leaf_key: Path

    @property
    def leaf_and_key(self) -> Path:
        """Both in one file, as HAProxy and mitmproxy want them."""
        return self.leaf.with_name("leaf-and-key.pem")


def make_certificates(directory: Path, *hosts: str) -> CertificateFiles:
    """Write a new CA and a leaf for the hosts into the directory."""
    files = CertificateFiles(directory / "ca.crt", directory / "ca.key", directory / "leaf.crt", directory / "leaf.key")
    ca = trustme.CA()
    leaf = ca.issue_cert(*hosts)
    ca.cert_pem.write_to_path(files.ca)
    ca.private_key_pem.write_to_path(files.ca_key)
    leaf.cert_chain_pems[0].write_to_path(files.leaf)
    leaf.private_key_pem.write_to_path(files.leaf_key)
    leaf.private_key_and_cert_chain_pem.write_to_path(files.leaf_and_key)
    return files
