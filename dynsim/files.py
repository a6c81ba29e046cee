"""Writing a file whole or not at all."""

from __future__ import annotations

from pathlib import Path


def whole(path: Path, content: str | bytes) -> None:
    """Write `path` under a name of its own, then rename it: a reader finds the old file or the new one.

    Raises
    ------
    OSError
        Where it cannot be written, with the name of `path`; what was there stays, and nothing half-written does.
    """
    encoded = content.encode("utf-8") if isinstance(content, str) else content
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(encoded)
        part.replace(path)
    except OSError as error:
        # Python does not say which file it was that the disk had no room for.
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        part.unlink(missing_ok=True)
