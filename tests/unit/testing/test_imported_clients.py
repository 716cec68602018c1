"""What was imported before the guard began trusts its CA too."""

import ssl
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import trustme

from iron_proxy.testing.imported_clients import trust_in_imported_clients

MODULE = "aiohttp.connector"


@pytest.fixture
def ca_file(tmp_path: Path) -> Path:
    file = tmp_path / "ca.crt"
    trustme.CA().cert_pem.write_to_path(str(file))
    return file


def test_the_context_that_a_module_made_gets_the_ca_besides(ca_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    monkeypatch.setitem(sys.modules, MODULE, SimpleNamespace(_SSL_CONTEXT_VERIFIED=context))

    trust_in_imported_clients(ca_file)
    trust_in_imported_clients(ca_file)

    assert len(context.get_ca_certs()) == 1


@pytest.mark.parametrize("module", [None, ModuleType(MODULE)], ids=["not imported", "another version of it"])
def test_what_is_not_there_is_left_alone(
    module: ModuleType | None, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if module is None:
        monkeypatch.delitem(sys.modules, MODULE, raising=False)
    else:
        monkeypatch.setitem(sys.modules, MODULE, module)

    trust_in_imported_clients(ca_file)
