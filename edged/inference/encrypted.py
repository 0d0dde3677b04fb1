"""Models that are encrypted with age on the disk, and decrypted into memory only.

The key is no option: every command and every process finds it in the same place, and neither a
configuration nor a message can name another. What
belongs to a model (taught labels, golden outputs) is bound to the decrypted content, and so to the
plain file as well.
"""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import TYPE_CHECKING

from edged import access, install, paths
from edged.errors import ModelError
from edged.files import open_regular

if TYPE_CHECKING:
    from pyrage.x25519 import Identity

KEY = Path("/etc/edged/model-key")
CREDENTIAL = "credential:model-key"
VARIABLE = "EDGED_MODEL_KEY"
"""Names a file with the key, for who is neither root nor a service."""

_BEGINS = (b"age-encryption.org/v1\n", b"-----BEGIN AGE ENCRYPTED FILE-----")
_KEY_BYTES = 4096
_OTHERS_MAY_READ = 0o004


def is_encrypted(data: bytes) -> bool:
    """Whether the content of a file begins as age's do."""
    return data.startswith(_BEGINS)


def decrypted(path: Path, data: bytes) -> bytes:
    """What `data`, the content of the file at `path`, was made from. ModelError, one line."""
    try:
        import pyrage
    except ImportError as error:
        raise ModelError(
            f"{path} is encrypted, and pyrage is not installed: {install.command('pyrage')}"
        ) from error
    place = key_file()
    identities = _identities(place)
    # From here on this process holds what nobody may find on the disk.
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, most))
    try:
        return bytes(pyrage.decrypt(data, identities))
    except pyrage.DecryptError as error:
        if "No matching keys" in str(error):
            raise ModelError(
                f"{path} is encrypted for another key than that in {place}: "
                "encrypt it for this key, or replace the key"
            ) from error
        # Its text may have several lines.
        reason = " ".join(str(error).split())
        raise ModelError(
            f"{path} is encrypted, and damaged or cut short ({reason}): copy the model file again"
        ) from error


def key_file() -> Path:
    """Where the key is: the file that the environment names, the service's credential, or `KEY`."""
    if named := os.environ.get(VARIABLE):
        return Path(named)
    credential = paths.credential(CREDENTIAL)
    try:
        # The unit's empty line stands for an absent file.
        if credential.stat().st_size > 1:
            return credential
    except OSError:
        pass
    return KEY


def _identities(path: Path) -> list[Identity]:
    """The secret keys in a file, as age-keygen writes it. ModelError, which shows none of them."""
    from pyrage import IdentityError, x25519

    advice = f"put the output of age-keygen into {path}, readable for edged alone"
    try:
        with open_regular(path) as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(_KEY_BYTES)
    except PermissionError as error:
        raise ModelError(
            f"the key of the model, {path}, may not be read: {access.advice(path, os.R_OK)}"
        ) from error
    except OSError as error:
        raise ModelError(
            f"the key of the model, {path}, cannot be read ({error.strerror or error}): {advice}"
        ) from error
    if mode & _OTHERS_MAY_READ:
        raise ModelError(f"the key of the model, {path}, can be read by everybody: chmod o= {path}")
    lines = [line.strip() for line in text.decode(errors="replace").splitlines()]
    try:
        found = [x25519.Identity.from_str(line) for line in lines if line and line[0] != "#"]
    except IdentityError:
        found = []
    if not found:
        raise ModelError(f"{path} does not hold a key of age (AGE-SECRET-KEY-1...): {advice}")
    return found
