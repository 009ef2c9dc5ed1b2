"""Reads users' datasets of compressed pictures, from folders or containers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from itertools import islice
from pathlib import Path

import numpy as np

from amdiff.config import FolderDataset
from amdiff.errors import DataError

from .images import BLOCK, Block
from .listing import Listing, list_pictures
from .misfits import Misfit, Misfits, Unreadable, other_size
from .pictures import decoded, look, parse_colour
from .tally import Tally, named

LOOKED_AT = 20_000
"""Most pictures of a folder whose headers are read before any work starts. They are spread evenly over a larger set."""


def folder_parts(spec: FolderDataset) -> list[tuple[str, Listing]]:
    """The listings of the main part and, if there is one, the held-out part.

    Each comes with its name in notes: '' and 'held out'. Raises ``DataError`` if a part has no pictures, or if a key is
    given although there are no containers.
    """
    parts = [("", list_pictures(spec.path, spec.key))]
    if spec.heldout is not None:
        parts.append(("held out", list_pictures(spec.heldout, spec.heldout_key or spec.key)))
    keys = {"key": spec.key, "heldout_key": spec.heldout_key}
    for name, used in (("key", parts), ("heldout_key", parts[1:])):
        if keys[name] is not None and not any(listing.keyed for _, listing in used):
            raise DataError(
                f"{name}: {keys[name]!r} names a column or an array of a container; there are picture files only"
            )
    return parts


def folder_blocks(spec: FolderDataset, tally: Tally) -> Iterator[Block]:
    """Every image of a folder or container, then the held-out ones.

    All images must have one size after crop and resize. ``tally`` counts what was left out or changed. Raises
    ``DataError`` with the names of the pictures that cannot be used.
    """
    parts = folder_parts(spec)
    names: list[str] = []  # names of the pictures so far
    reading = -1  # number of the part that is being read
    part = 0  # number of the part that the waiting pictures belong to

    def sources() -> Iterator[tuple[str, Path | BytesIO]]:
        nonlocal reading
        for title, listing in parts:
            reading += 1
            passed = tally.passed[title] = Counter(listing.passed)
            before = len(names) - len(tally.unreadable)
            for member in listing.members(passed):
                names.append(member.name)
                yield member.shown, member.source
            if len(names) - len(tally.unreadable) == before:
                raise DataError(f"{listing.root}{f', {title},' if title else ''} holds no image that can be read")
            if listing.packed and len(listing.files) > 1:
                what = f"{title}: " if title else ""
                tally.said.append(
                    f"{what}read from {len(listing.files):,} files, {named(n for n, _ in listing.names())}"
                )

    waiting: list[tuple[int, np.ndarray]] = []

    def block() -> Block:
        places, pictures = zip(*waiting, strict=True)
        waiting.clear()
        return Block(np.stack(pictures), part > 0, names=np.array([names[place] for place in places]))

    background = parse_colour(spec.background)
    for place, image in decoded(sources(), spec.channels, spec, background, tally, spec.skip_unreadable):
        if waiting and (reading != part or len(waiting) == BLOCK):
            yield block()
        part = reading
        waiting.append((place, image))
    if waiting:
        yield block()


def peek_folder(spec: FolderDataset) -> tuple[int, int, tuple[int, ...]]:
    """The number of images and of held-out images, both at most, and the shape (C, H, W) of the first image.

    Raises one ``DataError`` that names the pictures that cannot be used, as far as their headers tell.
    """
    parts = folder_parts(spec)
    misfits = Misfits()
    first, size = "", (0, 0)
    for _, listing in parts:
        every = 1 if listing.packed else max(1, -(-len(listing.files) // LOOKED_AT))
        # only the first picture of a container is checked here: reading all of them is work for a job
        readable = 0
        for member in islice(listing.members(Counter()), 0, None, every):
            if listing.packed and readable:
                break
            try:
                seen = look(member.shown, member.source)
                if first and spec.resize is None and spec.crop is None and (seen.height, seen.width) != size:
                    raise other_size(member.shown, (seen.height, seen.width), first, size)
            except Unreadable as error:
                if not spec.skip_unreadable:
                    misfits.add(error)
                continue
            except Misfit as error:
                misfits.add(error)
                continue
            readable += 1
            if not first:
                first, size = member.shown, (seen.height, seen.width)
        if not misfits.found and not readable:
            raise DataError(f"{listing.root} holds no image that can be read")
    misfits.check()
    counts = [listing.count for _, listing in parts]
    return counts[0], sum(counts[1:]), (spec.channels, *size)
