"""A Python index with one wheel and an npm registry with one package, made in memory; `web_origin.py` serves them."""

import base64
import hashlib
import io
import json
import tarfile
import zipfile

Answers = dict[str, tuple[str, bytes]]

WHEEL = "tinywheel-1.0-py3-none-any.whl"
# More than one TLS record and one read of any client.
PADDING = "# padding\n" * 50_000


def python_index() -> Answers:
    """PEP 503: the page of one project, and its wheel."""
    wheel = _wheel()
    digest = hashlib.sha256(wheel).hexdigest()
    page = f'<!DOCTYPE html><a href="/files/{WHEEL}#sha256={digest}">{WHEEL}</a>'
    return {"/simple/tinywheel/": ("text/html", page.encode()), f"/files/{WHEEL}": ("application/zip", wheel)}


def _wheel() -> bytes:
    info = "tinywheel-1.0.dist-info"
    content = {
        "tinywheel.py": f'NAME = "tinywheel"\n{PADDING}',
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: tinywheel\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    content[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*content, f"{info}/RECORD"])
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        for name, text in content.items():
            archive.writestr(name, text)
    return raw.getvalue()


def npm_registry() -> Answers:
    """The document of one package, and its tarball."""
    tarball = _tarball()
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(tarball).digest()).decode()
    version = {
        "name": "tiny-package",
        "version": "1.0.0",
        "dist": {"tarball": "https://npm.test/tiny-package/-/tiny-package-1.0.0.tgz", "integrity": integrity},
    }
    document = {"name": "tiny-package", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}
    return {
        "/tiny-package": ("application/json", json.dumps(document).encode()),
        "/tiny-package/-/tiny-package-1.0.0.tgz": ("application/octet-stream", tarball),
    }


def _tarball() -> bytes:
    package = json.dumps({"name": "tiny-package", "version": "1.0.0", "main": "index.js"})
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as archive:
        for name, text in (("package/package.json", package), ("package/index.js", PADDING.replace("#", "//"))):
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return raw.getvalue()
