"""Each row is split once, but every title still goes through all rows."""

DIGITS = set("0123456789")


def aggregate(rows):
    """Quadratic as before."""
    split = [row.split(",") for row in rows]
    split = [f for f in split if len(f) == 4 and "" not in f and set(f[0]) <= DIGITS and set(f[3]) <= DIGITS]
    result = []
    for title in sorted({fields[2] for fields in split}):
        mine = [fields for fields in split if fields[2] == title]
        minutes = sorted({int(fields[0]) for fields in mine})
        sums = [sum(int(f[3]) for f in split if int(f[0]) == minute and f[2] == title) for minute in minutes]
        result.append([title, sum(sums), len({fields[1] for fields in mine}), minutes[sums.index(max(sums))]])
    return sorted(result, key=lambda line: (-line[1], line[0]))
