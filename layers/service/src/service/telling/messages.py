"""What stands in the queue: an event for every webhook, one for a single webhook, or a delivery that is due."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from service.telling.incident_event import Told

_Text = Annotated[str, Field(min_length=1, max_length=256)]


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class EventMessage(_Message):
    """An event. ``app`` is whose incident it is, empty for all apps; ``webhook`` names the only one to tell, if any."""

    document: dict[str, Any]
    at: float
    app: Annotated[str, Field(max_length=256)]
    webhook: Annotated[str, Field(max_length=64)] = ""

    @property
    def told(self) -> Told:
        return Told(str(self.document["id"]), self.at, self.document)


class DeliveryMessage(_Message):
    """A delivery that is to be tried: of the webhook ``name``, whose ``uid`` it was for."""

    name: _Text
    uid: _Text
    entry: _Text


Message = EventMessage | DeliveryMessage
_READ: Final[TypeAdapter[EventMessage | DeliveryMessage]] = TypeAdapter(EventMessage | DeliveryMessage)


class UnreadableMessage(ValueError):
    """The body of a message is none of ours."""


def read_message(body: str) -> Message:
    """The message of a body. Raises :class:`UnreadableMessage`."""
    try:
        message = _READ.validate_json(body)
    except ValidationError:
        raise UnreadableMessage("not a message of this queue") from None
    if isinstance(message, EventMessage) and not {"id", "type"} <= message.document.keys():
        raise UnreadableMessage("an event without id or type")
    return message


def event_message(told: Told, *, app: str, webhook: str = "") -> dict[str, object]:
    """``told`` as a message."""
    return EventMessage(document=dict(told.document), at=told.at, app=app, webhook=webhook).model_dump()
