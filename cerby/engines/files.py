"""Files and folders made by us, with the modes they need; nothing that was there before is changed."""

import os
import shutil
from pathlib import Path

LOG_LIMIT_BYTES = 5_000_000


def write_private(path: Path, text: str) -> None:
    """Replace `path` (mode 0600) in one step: a reader or a crash sees the old text or the new one."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename inside `folder` outlive a power cut."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_folder(folder: Path, mode: int) -> None:
    """Make `folder` and its missing parents with `mode`; one that exists stays as it is."""
    if folder.is_dir():
        return
    make_folder(folder.parent, mode)
    try:
        folder.mkdir()
    except FileExistsError:
        return
    folder.chmod(mode)  # regardless of the umask


def remove_tree(path: Path) -> None:
    """Remove a folder with everything in it; a missing one is fine."""
    if path.exists():
        shutil.rmtree(path)


def open_log(path: Path) -> int:
    """A descriptor that appends to `path` (mode 0600); a log past 5 MB is put aside as `<name>.1` first."""
    if path.exists() and path.stat().st_size > LOG_LIMIT_BYTES:
        path.replace(path.with_name(f"{path.name}.1"))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def free_bytes(folder: Path) -> int:
    """The space that is left to an unprivileged account."""
    return shutil.disk_usage(folder).free
