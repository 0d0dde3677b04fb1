"""Certificates for tests, made by openssl."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def available() -> bool:
    """Whether they can be made here."""
    return shutil.which("openssl") is not None


def certificates(folder: Path) -> Path:
    """`folder` with an authority, two certificates for 127.0.0.1 and a client's.

    One of the two has ``expired``; ``other`` is an authority that has signed nothing.
    """

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    for name in ("ca", "other"):
        openssl(
            *("req", "-x509", *key, "-keyout", f"{name}.key", "-out", f"{name}.crt"),
            *("-days", "2", "-subj", f"/CN=test {name}"),
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        )
    (folder / "san").write_text("subjectAltName = IP:127.0.0.1\n")
    for name, days in (("server", "2"), ("client", "2"), ("expired", "-1")):
        openssl(
            "req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}"
        )
        openssl(
            *("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key"),
            *("-CAcreateserial", "-days", days, "-out", f"{name}.crt", "-extfile", "san"),
        )
    for file in folder.iterdir():
        file.chmod(0o644)
    return folder
