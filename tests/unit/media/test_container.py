"""The container is told from the first bytes, and nothing that opens other files passes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelwright.media.contract import BadSource
from reelwright.media.core.container import demuxer_of

KNOWN = {
    b"\x00\x00\x00\x18ftypmp42": "mov",
    b"\x00\x00\x00\x08wide\x00\x00\x00\x00mdat": "mov",
    b"\x1a\x45\xdf\xa3\x01": "matroska",
    b"RIFF\x00\x00\x00\x00AVI LIST": "avi",
    b"\x00\x00\x01\xba\x44": "mpeg",
    b"FLV\x01\x05": "flv",
    b"OggS\x00": "ogg",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9": "asf",
    (b"\x47" + bytes(187)) * 3: "mpegts",
    (bytes(4) + b"\x47" + bytes(187)) * 3: "mpegts",
}
PLAYLISTS = [
    b"ffconcat version 1.0\nfile '/etc/passwd'\n", b"\n\n  ffconcat version 1.0\nfile x\n",
    b"#EXTM3U\n#EXTINF:1,\nx.ts\n",
    b"\xef\xbb\xbf#EXTM3U\n", b"<?xml version='1.0'?><MPD/>", b"v=0\no=- 0 0 IN IP4 127.0.0.1\n",
    b"[playlist]\nFile1=x\n",
]  # fmt: skip


@pytest.mark.parametrize(("head", "demuxer"), KNOWN.items())
def test_films_are_known_by_their_first_bytes(head: bytes, demuxer: str) -> None:
    """Names and declared types are not believed."""
    assert demuxer_of(head, "anything.txt") == demuxer


@pytest.mark.parametrize("head", PLAYLISTS)
def test_playlists_and_scripts_are_refused_whatever_they_are_called(head: bytes) -> None:
    """A concat script named .mp4 could publish another person's file."""
    with pytest.raises(BadSource, match=r"holiday\.mp4 is a (playlist|text file)"):
        demuxer_of(head, "holiday.mp4")


def test_an_empty_file_is_said_to_be_empty() -> None:
    """The commonest broken upload."""
    with pytest.raises(BadSource, match="empty"):
        demuxer_of(b"", "holiday.mp4")


@given(st.binary(max_size=600))
def test_only_demuxers_of_films_are_ever_chosen(head: bytes) -> None:
    """Whatever the bytes: one of a short list, or an error that names the file."""
    try:
        assert demuxer_of(head, "holiday.mp4") in {*KNOWN.values(), "wav", "mp3", "flac"}
    except BadSource as error:
        assert "holiday.mp4" in str(error)
