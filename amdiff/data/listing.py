"""Which files of a folder or a container belong to a set of pictures, and what else lies there.

Files and folders that programs keep for themselves (a leading dot, thumbnails of file servers, what archives of macOS
carry) are no images of the set. They are passed over and counted, and so are files of other kinds.
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
"""Names, in lower case, of what file servers and operating systems put among people's files."""

_CACHES = re.compile(r"(cache-.*|indices.*)\.arrow")
"""Files that the hub's library leaves beside a dataset."""
_SPLITS = re.compile(r"(?<![a-z])(train|test|validation|valid|val)(?![a-z])")
"""Words for parts of a dataset in names of files."""


@dataclass(frozen=True)
class Member:
    """One picture."""

    name: str
    """Relative to the dataset's folder."""
    shown: str
    """As messages name it."""
    source: Path | BytesIO


def foreign(name: str) -> str | None:
    """Why a file or folder of that name is no part of a set: 'hidden', or the name itself; else None."""
    if name.startswith("."):
        return "hidden"
    return name if name.lower() in KEPT_BY_PROGRAMS else None


@dataclass(frozen=True)
class Listing:
    """The pictures of one part of a dataset, in order, and what was passed over beside them."""

    root: Path
    """Folder that names are relative to."""
    files: Sequence[Path]
    """Picture files, or containers of pictures."""
    passed: Counter[str]
    """Files that are no images, by kind."""
    packed: bool = False
    """Whether the files are containers."""
    key: str | None = None
    """Column or array of a container that holds several."""

    def names(self) -> list[tuple[str, Path]]:
        """Each file with its name, relative to the folder."""
        return [(path.relative_to(self.root).as_posix(), path) for path in self.files]

    def members(self, passed: Counter[str]) -> Iterator[Member]:
        """The pictures; ``passed`` hears of members of containers that are none."""
        for name, path in self.names():
            if not self.packed:
                yield Member(name, str(path), path)
                continue
            for inside, content in members(path, self.key, passed, self._wanted):
                yield Member(f"{name}/{inside}", f"{path}/{inside}", content)

    @property
    def keyed(self) -> bool:
        """Whether its files hold columns or arrays by name."""
        return self.packed and container_suffix(self.files[0]) in KEYED

    @property
    def count(self) -> int:
        """Number of pictures."""
        if not self.packed:
            return len(self.files)
        return sum(count_members(path, self.key, self._wanted) for path in self.files)

    def _wanted(self, name: str) -> str | None:
        return _other_kind(PurePosixPath(name))


def _other_kind(path: Path | PurePosixPath) -> str | None:
    """Why a file, or one of the folders that it lies in, is no image of the set; None for images."""
    for part in path.parts:
        if reason := foreign(part):
            return reason
    suffix = path.suffix.lower()
    return None if suffix in picture_suffixes() else suffix or "without suffix"


def list_pictures(path: Path, key: str | None = None) -> Listing:
    """The pictures below a folder, by sorted relative path, or in a container. Raises ``DataError`` for none.

    Links to folders are followed; each folder is read once, so that links in circles end.
    """
    if container_suffix(path) and path.is_file():
        return Listing(path.parent, (path,), Counter(), packed=True, key=key)
    if not path.exists():
        raise DataError(f"{path}: there is no such file or folder")
    if not path.is_dir():
        known = ", ".join(CONTAINERS)
        raise DataError(f"{path} is no folder and no container of images ({known}); give what holds the images")
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
        raise DataError(f"{path} holds no image files{seen}; give a folder with .png, .jpg or what else Pillow reads")
    return Listing(path, sorted(files), passed)


def _walk(top: Path, passed: Counter[str]) -> Iterator[Path]:
    """Files below a folder but for those that programs keep for themselves, which are counted."""
    seen: set[str] = set()
    waiting, links = deque([top]), deque[Path]()
    while waiting or links:
        folder = waiting.popleft() if waiting else links.popleft()  # what lies in the folder itself before links to it
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
    """Whether an entry is, or is a link to, a folder or a file; a link to itself is neither."""
    try:
        return what(entry)
    except OSError:
        return False
