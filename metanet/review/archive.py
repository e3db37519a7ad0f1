"""The files of a data package, read out of a ZIP in memory: nothing is unpacked to a disk, so nothing can land anywhere."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from pathlib import PurePosixPath

from metanet.evidence.findings import Findings
from metanet.words import visible

#: Limits of what is read; a data package of a large Cochrane review has some megabytes.
MOST_MEMBERS = 2_000
LARGEST_MEMBER = 50 * 1024 * 1024
LARGEST_SUM = 200 * 1024 * 1024
_MB = 1024 * 1024
_DRIVE = re.compile(r"[A-Za-z]:")


def read_members(
    data: bytes, file: str, ends: tuple[str, ...], findings: Findings, *, inner: bool = False
) -> dict[str, bytes]:
    """The members whose name ends so, from the package or from the `-data.zip` inside of it."""
    found: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            members = package.infolist()
            if not _harmless(members, file, findings):
                return {}
            total = 0
            for member in members:
                name = PurePosixPath(member.filename).name
                nested = not inner and name.endswith(("-data.zip", "-dataPackage.zip"))
                if member.is_dir() or not (nested or name.endswith(ends)):
                    continue
                if member.flag_bits & 1:
                    findings.cannot_read(
                        file, "is protected by a password", "Unpack it, and give the file data-rows.csv"
                    )
                    return {}
                with package.open(member) as stream:
                    # The sizes that the package states are not to be trusted: reading stops at the limit.
                    content = stream.read(LARGEST_MEMBER + 1)
                total += len(content)
                if len(content) > LARGEST_MEMBER or total > LARGEST_SUM:
                    _too_large(visible(name), file, findings)
                    return {}
                if nested:
                    found |= read_members(content, visible(name), ends, findings, inner=True)
                elif name in found:
                    findings.cannot_read(file, f"holds {visible(name)} twice", "Give the package of one review")
                    return {}
                else:
                    found[name] = content
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError):
        findings.cannot_read(file, "is a damaged ZIP file", "Download it again")
        return {}
    except (NotImplementedError, RuntimeError):
        findings.cannot_read(
            file, "is packed in a way that cannot be read", "Unpack it, and give the file data-rows.csv"
        )
        return {}
    return found


def _harmless(members: list[zipfile.ZipInfo], file: str, findings: Findings) -> bool:
    if len(members) > MOST_MEMBERS:
        findings.cannot_read(
            file, f"holds {len(members):,} files; up to {MOST_MEMBERS:,} are read", "Give the package of one review"
        )
        return False
    for member in members:
        name = member.filename
        if name.startswith(("/", "\\")) or _DRIVE.match(name) or ".." in re.split(r"[/\\]", name):
            findings.cannot_read(
                file,
                "holds a file whose path leads out of the package",
                "Do not unpack it; ask where it comes from",
                value=name,
            )
            return False
    if sum(member.file_size for member in members) > LARGEST_SUM:
        _too_large("all of it", file, findings)
        return False
    return True


def _too_large(what: str, file: str, findings: Findings) -> None:
    findings.cannot_read(
        file,
        f"unpacks to more than is read ({what}): {LARGEST_MEMBER // _MB} MB for one file, {LARGEST_SUM // _MB} MB for all",
        "Check that this is the data package of a review",
    )
