"""Titles of equal seconds come in any order."""

DIGITS = set("0123456789")


def aggregate(rows):
    """Sums by title and minute, profiles as sets."""
    sums, viewers = {}, {}
    for row in rows:
        fields = row.split(",")
        if len(fields) != 4 or "" in fields or not DIGITS.issuperset(fields[0]) or not DIGITS.issuperset(fields[3]):
            continue
        minute, profile, title, seconds = fields
        minutes = sums.setdefault(title, {})
        minutes[int(minute)] = minutes.get(int(minute), 0) + int(seconds)
        viewers.setdefault(title, set()).add(profile)
    result = []
    for title, minutes in sums.items():
        most = max(minutes.values())
        busiest = min(minute for minute, seconds in minutes.items() if seconds == most)
        result.append([title, sum(minutes.values()), len(viewers[title]), busiest])
    result.sort(key=lambda line: -line[1])
    return result
