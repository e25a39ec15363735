"""The shapes of the answers, which `/openapi.json` publishes. Times are RFC 3339 with an offset, durations seconds."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Time = Annotated[
    str,
    Field(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}[+-][0-9]{2}:[0-9]{2}$",
        examples=["2026-11-23T09:04:09.123+01:00"],
    ),
]


class Answer(BaseModel):
    """What all have in common: nothing comes that is not described."""

    model_config = ConfigDict(extra="forbid")


class Failure(Answer):
    """Why a request is not answered."""

    error: str


class Stale(Failure):
    """The device has stopped."""

    age: float | None = Field(description="Seconds since its newest complete picture; null: it has none.")


class State(StrEnum):
    """Of a device."""

    LIVE = "live"
    STALE = "stale"
    EMPTY = "empty"
    FAILED = "failed"
    """Its disk does not answer, or refuses."""


class Incident(StrEnum):
    """What the analysis flags."""

    BLACK = "black"
    FROZEN = "frozen"
    SILENT = "silent"


class HotFolder(Answer):
    """One kind's hot folder."""

    files: int
    limit: int
    newest: Time | None


class Device(Answer):
    """One device, as it stands."""

    name: str
    state: State
    newest: Time | None = Field(description="When its newest file was finished.")
    age: float | None = Field(description="Seconds since then.")
    hot: dict[str, HotFolder]
    live: str | None = Field(description="URL of the live playlist.")
    screenshot: str = Field(description="URL of the newest picture.")
    incidents: list[Incident] | None = Field(description="What is going on now; null: nothing analyses it.")


class Devices(Answer):
    """Every device."""

    now: Time
    timezone: str
    stale_after: float
    devices: list[Device]


class Screenshot(Answer):
    """The newest complete picture."""

    device: str
    path: str = Field(description="Below the root, as it was found: the file moves on.")
    url: str = Field(description="Stays good when the file moves.")
    time: Time
    age: float


class ListedFile(Answer):
    """One file of a listing."""

    url: str
    time: Time = Field(description="When it was finished; in a large listing to a tenth of a second.")


class Hour(Answer):
    """The files of the newest generation of an hour, by time."""

    device: str
    kind: str
    hour: int = Field(ge=0, le=23)
    count: int
    start: Time
    end: Time
    files: list[ListedFile]


class Hot(Answer):
    """The hot files, by time."""

    device: str
    kind: str
    limit: int
    files: list[ListedFile]


class MinuteState(StrEnum):
    """Whether something was recorded."""

    FILES = "files"
    GAP = "gap"
    FUTURE = "future"


class Minute(Answer):
    """One minute of the heatmap."""

    time: Time
    state: MinuteState
    files: int = Field(description="Its thumbnails; of a device without thumbnails, its segments.")
    thumbnail: str | None = Field(description="URL of the first one.")
    incidents: list[Incident]


class Heatmap(Answer):
    """24 hours up to the end of the running one: minute i begins 60 i seconds after `start`."""

    device: str
    now: Time
    start: Time
    end: Time
    minutes: list[Minute] = Field(min_length=1440, max_length=1440)
