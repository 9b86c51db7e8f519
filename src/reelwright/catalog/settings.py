"""Settings of the catalogue, section `[catalog]`."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class CatalogSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How films come in."""

    scan_s: Annotated[float, Meta(gt=0, description="Seconds between two looks at the watched folder.")] = 2.0
    upload_bytes: Annotated[int, Meta(ge=1, description="Largest upload.")] = 200_000_000_000
    upload_days: Annotated[
        int, Meta(ge=1, description="Days after which an upload that was cut off is given up.")
    ] = 14
