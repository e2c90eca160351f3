"""Server-sent events, line by line."""

from __future__ import annotations

from dataclasses import dataclass, field

from service.schemas import ImageEvent, JobEvent


@dataclass
class EventParser:
    """Lines of a `text/event-stream` → events (WHATWG HTML, 9.2.6).

    Attributes:
        last_id: of the last whole event with an id; the stream goes on from there.
    """

    last_id: str | None = None
    _id: str | None = None
    _type: str = ""
    _data: list[str] = field(default_factory=list)

    def begin(self) -> None:
        """Forget the part of an event after which a line broke."""
        self._type, self._data, self._id = "", [], None

    def feed(self, line: str) -> ImageEvent | JobEvent | None:
        """Take one line without its end; gives an event at the empty line after it, None for other types."""
        if line:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "event":
                self._type = value
            elif name == "data":
                self._data.append(value)
            elif name == "id" and "\0" not in value:
                self._id = value
            return None
        kind, data = self._type, "\n".join(self._data)
        self.last_id = self.last_id if self._id is None else self._id
        self.begin()
        if not data:
            return None
        if kind == "image":
            return ImageEvent.model_validate_json(data, extra="ignore")
        if kind == "job":
            return JobEvent.model_validate_json(data, extra="ignore")
        return None
