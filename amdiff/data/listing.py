"""Finds the pictures of a dataset in a folder or a container, and counts the files that are passed over.

Files that programs keep for their own use do not belong to the dataset: hidden files, thumbnails of file servers, and
extra files in archives of macOS. They are passed over and counted, as are files of other kinds.
"""

from __future__ import annotations

import os
import re
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath

from amdiff.errors import DataError

from .containers import CONTAINERS, KEYED, container_suffix, count_members, members
from .pictures import picture_suffixes
from .tally import named, passed_over

KEPT_BY_PROGRAMS = frozenset({
    "@eadir", "@tmp", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "__macosx", "$recycle.bin",
    "system volume information", "lost+found", "__pycache__", "thumbs.db", "desktop.ini",
})  # fmt: skip
"""Names, in lower case, of files and folders that file servers and operating systems create for their own use."""

_CACHES = re.compile(r"(cache-.*|indices.*)\.arrow")
"""Names of cache files that the hub's library leaves beside a dataset."""
_SPLITS = re.compile(r"(?<![a-z])(train|test|validation|valid|val)(?![a-z])")
"""Words in file names that mean a part of a dataset."""


@dataclass(frozen=True)
class Member:
    """One picture."""

    name: str
    """Path relative to the dataset's folder."""
    shown: str
    """Path in messages."""
    source: Path | BytesIO
    """The file, or its content in memory."""


def foreign(name: str) -> str | None:
    """Why a file or folder of that name does not belong to a dataset: 'hidden', or the name itself; None if it may."""
    if name.startswith("."):
        return "hidden"
    return name if name.lower() in KEPT_BY_PROGRAMS else None


@dataclass(frozen=True)
class Listing:
    """The pictures of one part of a dataset, in order, and the files that were passed over."""

    root: Path
    """Folder that the names are relative to."""
    files: Sequence[Path]
    """The picture files, or the containers of pictures."""
    passed: Counter[str]
    """Number of files that were passed over, by kind."""
    packed: bool = False
    """Whether the files are containers. Default False."""
    key: str | None = None
    """Column or array to read, if a container holds several. Default None."""

    def names(self) -> list[tuple[str, Path]]:
        """Each file with its path relative to the folder."""
        return [(path.relative_to(self.root).as_posix(), path) for path in self.files]

    def members(self, passed: Counter[str]) -> Iterator[Member]:
        """The pictures, in order. ``passed`` counts the members of containers that are not pictures, by kind."""
        for name, path in self.names():
            if not self.packed:
                yield Member(name, str(path), path)
                continue
            for inside, content in members(path, self.key, passed, self._wanted):
                yield Member(f"{name}/{inside}", f"{path}/{inside}", content)

    @property
    def keyed(self) -> bool:
        """Whether the files are containers that hold columns or arrays by name."""
        return self.packed and container_suffix(self.files[0]) in KEYED

    @property
    def count(self) -> int:
        """Number of pictures. Raises ``DataError`` if a container cannot be read."""
        if not self.packed:
            return len(self.files)
        return sum(count_members(path, self.key, self._wanted) for path in self.files)

    def _wanted(self, name: str) -> str | None:
        return _other_kind(PurePosixPath(name))


def _other_kind(path: Path | PurePosixPath) -> str | None:
    """Why a file does not belong to the dataset, from its suffix and the names of its folders; None for pictures."""
    for part in path.parts:
        if reason := foreign(part):
            return reason
    suffix = path.suffix.lower()
    return None if suffix in picture_suffixes() else suffix or "without suffix"


def list_pictures(path: Path, key: str | None = None) -> Listing:
    """The pictures below a folder, sorted by relative path, or in a container.

    Links to folders are followed. Each folder is read only once, so circular links do no harm. ``key`` is the column or
    array of a container. Raises ``DataError`` if there are no pictures, or if the folder holds containers of several
    formats or splits.
    """
    if container_suffix(path) and path.is_file():
        return Listing(path.parent, (path,), Counter(), packed=True, key=key)
    if not path.exists():
        raise DataError(f"{path}: there is no such file or folder")
    if not path.is_dir():
        known = ", ".join(CONTAINERS)
        raise DataError(f"{path} is neither a folder nor a container of images ({known}); give the path of the images")
    files: list[Path] = []
    containers: list[Path] = []
    passed: Counter[str] = Counter()
    for file in _walk(path, passed):
        kind = _other_kind(file.relative_to(path))
        if kind is None:
            files.append(file)
        elif container_suffix(file) and foreign(file.name) is None:
            if _CACHES.fullmatch(file.name):
                passed["caches of datasets"] += 1
            else:
                containers.append(file)
        else:
            passed[kind] += 1
    if not files and containers:
        if len({container_suffix(file) for file in containers}) > 1:
            raise DataError(f"{path} holds containers of several kinds: {named(f.name for f in containers)}; give one")
        splits = {word for file in containers for word in _SPLITS.findall(file.relative_to(path).as_posix().lower())}
        if len(splits) > 1:
            raise DataError(
                f"{path} holds containers of several splits, {', '.join(sorted(splits))}: "
                f"{named(f.name for f in sorted(containers))}; give a folder or a file with one of them"
            )
        return Listing(path, sorted(containers), passed, packed=True, key=key)
    passed.update(container_suffix(file) or "" for file in containers)
    if not files:
        seen = f"; {passed_over(passed)}" if passed else ""
        raise DataError(f"{path} holds no image files{seen}; give a folder with .png, .jpg or others that Pillow reads")
    return Listing(path, sorted(files), passed)


def _walk(top: Path, passed: Counter[str]) -> Iterator[Path]:
    """The files below a folder. Those that programs keep for their own use are left out and counted in ``passed``."""
    seen: set[str] = set()
    waiting, links = deque([top]), deque[Path]()
    while waiting or links:
        folder = waiting.popleft() if waiting else links.popleft()  # real folders come before links to folders
        real = os.path.realpath(folder)
        if real in seen:
            passed["links to folders that are read already"] += 1
            continue
        seen.add(real)
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            raise DataError(f"{folder}: cannot be read ({error.strerror}); make it accessible or remove it") from None
        for entry in entries:
            path = folder / entry.name
            if reason := foreign(entry.name):
                inside = entry.is_dir(follow_symlinks=False)
                if count := sum(len(names) for _, _, names in os.walk(path)) if inside else 1:
                    passed[reason] += count
            elif _leads_to(entry, os.DirEntry.is_dir):
                (links if entry.is_symlink() else waiting).append(path)
            elif _leads_to(entry, os.DirEntry.is_file):
                yield path
            else:
                passed["broken links" if entry.is_symlink() else "no files"] += 1


def _leads_to(entry: os.DirEntry[str], what: Callable[[os.DirEntry[str]], bool]) -> bool:
    """Whether an entry, or the target of a link, is of the kind that ``what`` checks; False for a circular link."""
    try:
        return what(entry)
    except OSError:
        return False
