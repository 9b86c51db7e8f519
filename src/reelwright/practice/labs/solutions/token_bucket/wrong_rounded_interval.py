"""The interval is rounded up to a whole nanosecond, so that the rate is a little too low."""

EMPTY = 0


def token_bucket(count, period, burst):
    """The state is the time, in parts of a nanosecond, at which the bucket is full again."""
    parts = 1
    interval = -(-period // count)
    tolerance = interval * burst

    def step(full_at, now, cost):
        now *= parts
        ahead = max(0, full_at - now)
        after = ahead + cost * interval
        if after <= tolerance:
            return now + after, True, (tolerance - after) // interval, 0, -(-after // parts)
        wait = -(-(after - tolerance) // parts) if cost <= burst else -1
        return full_at, False, (tolerance - ahead) // interval, wait, -(-ahead // parts)

    return step
