"""Files as a cohort's manifest has them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Format = Literal["parquet", "csv", "json"]
_FILES_TOLD = 1000


class SourceFile(BaseModel):
    """A file as it was read. name: below the folder that all of the source's files have in common.

    modified_ns: its time of change, in nanoseconds of the epoch; sha256: of its bytes as they lie,
    compressed ones too; rows: notes in it, repeated ones too.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    format: Format
    size: int
    modified_ns: int
    sha256: str
    rows: int


class FilesRead(BaseModel):
    """All files of a source in the order in which they were read: by their names.

    patterns: as the configuration had them. numbered: the id is the line's number; messages: the
    lines are chat messages.
    """

    model_config = ConfigDict(frozen=True)

    patterns: list[str]
    numbered: bool
    messages: bool
    files: list[SourceFile]

    def __str__(self) -> str:
        """For a record of how answers were made."""
        lines = [f"files: {', '.join(self.patterns)}"]
        lines += [f"{file.sha256}  {file.name}" for file in self.files[:_FILES_TOLD]]
        if len(self.files) > _FILES_TOLD:
            lines.append(f"and {len(self.files) - _FILES_TOLD} more")
        return "\n".join(lines)
