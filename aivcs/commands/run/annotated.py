"""Runs together with their annotations, for commands that show runs."""

from __future__ import annotations

from aivcs.log.annotation import FOLDER, merged_tags
from aivcs.log.run import is_same_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from aivcs.model.annotation import StoredAnnotation
    from aivcs.model.run import RunRecord
    from aivcs.repository import Repository


class Annotated:
    """The annotations of a store's runs, looked up as they are asked for.

    Attributes:
        are_there: Whether the store had any annotation when this was made; if not, nothing is
            looked up.
    """

    def __init__(self, repo: Repository) -> None:
        """Takes the repository, and looks whether there are any."""
        self._repo = repo
        self.are_there = any(True for _ in repo.store.documents.names(FOLDER))

    def run_ids(self) -> set[str]:
        """Returns the runs that have any."""
        if not self.are_there:
            return set()
        return {name.split("/")[2] for name in self._repo.annotations.names()}

    def of(self, record: RunRecord) -> Sequence[StoredAnnotation]:
        """Returns the annotations of a run, the oldest first.

        Raises:
            IntegrityError: An annotation is damaged.
        """
        return self._repo.annotations.of_run(record.run_id) if self.are_there else ()

    def tags(self, record: RunRecord) -> Any:
        """Returns the tags of a run with those of its annotations.

        Raises:
            IntegrityError: An annotation is damaged.
        """
        return merged_tags(record.metadata.tags, (each.value for each in self.of(record)))

    def have(self, record: RunRecord, wanted: Mapping[str, Iterable[Any]]) -> bool:
        """Tells whether a run has a tag of each key, with any of its values."""
        tags = self.tags(record)
        return isinstance(tags, dict) and all(
            key in tags and any(is_same_json(tags[key], value) for value in values)
            for key, values in wanted.items()
        )


def as_json(record: RunRecord, annotations: Sequence[StoredAnnotation]) -> dict[str, Any]:
    """Returns a run in JSON; with annotations also these, and the merged `tags`."""
    members = record.to_json()
    if annotations:
        members["tags"] = merged_tags(record.metadata.tags, (each.value for each in annotations))
        members["annotations"] = [each.to_json() for each in annotations]
    return members
