"""Settings of the lake, section `[lake]`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta


class LakeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How events become tables, and what a question may cost."""

    enabled: Annotated[
        bool, Meta(description="Keep events as Iceberg tables; needs the extra `lake`, without it nothing is kept.")
    ] = True
    warehouse: Annotated[
        str,
        Meta(
            pattern=r"^(|file:///.+|s3://[^/]+/.*[^/])$",
            description="Where tables lie: `file:///path` or `s3://bucket/prefix` (extra `s3`; endpoint and "
            "credentials from `AWS_*` variables); empty is `lake/warehouse` in the data folder.",
        ),
    ] = ""
    catalog: Annotated[
        str,
        Meta(
            pattern=r"^(|postgres(ql)?://.+)$",
            description="The catalog: `postgresql://…` (extra `postgres`); empty is SQLite in the data folder.",
        ),
    ] = ""
    commit_s: Annotated[float, Meta(ge=0.1, le=3600, description="Seconds between two commits of a table.")] = 5.0
    commit_events: Annotated[int, Meta(ge=100, le=1_000_000, description="Events that one commit takes at most.")] = (
        100_000
    )
    engine: Annotated[
        str,
        Meta(
            pattern=r"^(duckdb|local(\[.*\])?|spark://.*|yarn|k8s://.*)$",
            description="What computes: `duckdb`, or a Spark master such as `spark://host:7077` (extra `spark`).",
        ),
    ] = "duckdb"
    compute_s: Annotated[float, Meta(ge=1, le=86_400, description="Seconds between two runs of the pipelines.")] = (
        300.0
    )
    snapshots_s: Annotated[
        float, Meta(ge=60, description="Seconds for which superseded snapshots, and files no snapshot names, stay.")
    ] = 600.0
    log_h: Annotated[
        float, Meta(ge=0, description="Hours for which a log segment outlives the snapshot that covers it.")
    ] = 24.0
    sql_memory_mb: Annotated[int, Meta(ge=64, description="Memory that one question may use.")] = 1024
    sql_s: Annotated[float, Meta(ge=0.1, le=3600, description="Seconds after which a question is stopped.")] = 30.0
    sql_rows: Annotated[int, Meta(ge=1, le=1_000_000, description="Rows that one question may answer.")] = 10_000
    export_rows: Annotated[int, Meta(ge=1, le=10_000_000, description="Rows that one exported file may have.")] = (
        500_000
    )

    def warehouse_of(self, lake: Path) -> str:
        """URL of the folder of tables of the lake in a folder."""
        return self.warehouse or f"file://{lake.resolve()}/warehouse"


def is_s3(location: str) -> bool:
    """Whether something lies in an S3-compatible store."""
    return location.startswith("s3://")
