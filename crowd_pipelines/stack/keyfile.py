"""The encryption key of an installation that has an embedded database, in a file of its own."""

import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from crowd_pipelines.model.secrets import Secret
from crowd_pipelines.store.vault import new_key


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A file that holds what CROWD_ENCRYPTION_KEY would: a key, or several of which the first seals."""

    path: Path

    def read(self) -> Secret:
        """Return the key, made at first use."""
        if not self.path.exists():
            draft = self._written(new_key())
            with suppress(FileExistsError):  # another command was faster
                self.path.hardlink_to(draft)
            draft.unlink()
        return Secret(self.path.read_text().strip())

    def put_new_key_first(self) -> None:
        """Let a new key seal from now on, unless an earlier change of keys was not finished."""
        keys = self.read().get_secret_value()
        if "," not in keys:
            self._written(f"{new_key()},{keys}").replace(self.path)

    def keep_first(self) -> None:
        """Forget the keys that only open."""
        self._written(self.read().get_secret_value().split(",")[0]).replace(self.path)

    def _written(self, keys: str) -> Path:
        """Return a file beside that holds keys, and is on the disk: a key that is lost loses what it has sealed."""
        descriptor, name = tempfile.mkstemp(prefix="encryption.", dir=self.path.parent)
        with os.fdopen(descriptor, "w") as file:
            file.write(keys)
            file.flush()
            os.fsync(file.fileno())
        return Path(name)
