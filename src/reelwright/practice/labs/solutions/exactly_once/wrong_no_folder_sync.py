"""The name of the new file is never synced."""

import json
import struct
import zlib

HEAD = struct.Struct("<II")
NAME = "log"


class Consumer:
    """Ids and totals are rebuilt from the log."""

    def __init__(self, disk):
        self.disk = disk
        self.seen = set()
        self.sums = {}
        if NAME not in disk.list():
            disk.append(NAME, b"")
            pass
        data = disk.read(NAME)
        end = 0
        while end + HEAD.size <= len(data):
            size, check = HEAD.unpack_from(data, end)
            payload = data[end + HEAD.size : end + HEAD.size + size]
            if size == 0 or len(payload) < size or zlib.crc32(payload) != check:
                break
            self.count(json.loads(payload))
            end += HEAD.size + size
        if end < len(data):
            disk.truncate(NAME, end)
        disk.sync(NAME)
        pass

    def take(self, events):
        """Durable first, counted then."""
        payload = json.dumps(events).encode()
        self.disk.append(NAME, HEAD.pack(len(payload), zlib.crc32(payload)) + payload)
        self.disk.sync(NAME)
        self.count(events)

    def count(self, events):
        """Each id once."""
        for name, key, amount in events:
            if name not in self.seen:
                self.seen.add(name)
                self.sums[key] = self.sums.get(key, 0) + amount

    def totals(self):
        """By key."""
        return self.sums
