"""To begin with: the output is equal, and it is slow."""


def valid(row):
    """Four fields, minute and seconds in digits, nothing empty."""
    fields = row.split(",")
    return len(fields) == 4 and all(fields) and set(fields[0] + fields[3]) <= set("0123456789")


def aggregate(rows):
    """Each title goes through all rows again."""
    titles = []
    for row in rows:
        if valid(row) and row.split(",")[2] not in titles:
            titles.append(row.split(",")[2])
    result = []
    for title in titles:
        mine = [row.split(",") for row in rows if valid(row) and row.split(",")[2] == title]
        minutes = {int(fields[0]) for fields in mine}
        per_minute = {at: sum(int(one[3]) for one in mine if int(one[0]) == at) for at in minutes}
        busiest = min(minutes, key=lambda at: (-per_minute[at], at))
        result.append([title, sum(per_minute.values()), len({one[1] for one in mine}), busiest])
    return sorted(result, key=lambda line: (-line[1], line[0]))
