"""`reelwright limits try` on traces as people have them."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from reelwright.limits.cli import app


def tried(path: Path, body: bytes) -> Result:
    """Two a minute, on a trace."""
    path.write_bytes(body)
    return CliRunner().invoke(app, ["try", "2/minute", "--trace", str(path)])


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf0.0,a\r\n0.1,a\r\n0.2,a\r\n",
        b'{"at_s": 0, "key": "a"}\n\n{"at_s": 1, "key": "a"}\n{"at_s": 2, "key": "a"}',
    ],
)
def test_a_trace_is_read_as_editors_write_it(tmp_path: Path, body: bytes) -> None:
    """With the mark and the line ends of Windows, or as JSON."""
    assert ": 2 admitted, 1 denied" in tried(tmp_path / "a", body).output


@pytest.mark.parametrize("line", [b"0;a", b"nan,a", b"inf,a", b"0,a,-1", b'{"seconds": 0, "key": "a"}', b"0,a,x"])
def test_a_line_that_is_no_request_is_told_with_its_number_and_what_one_is(tmp_path: Path, line: bytes) -> None:
    """Fields of JSON have names that nobody can guess."""
    refused = tried(tmp_path / "a", b"0,a\n" + line).exception
    assert refused is not None and ":2: a request is" in str(refused) and "at_s" in str(refused)
