"""A fixed window: twice the burst passes around its edge."""

EMPTY = (0, 0)


def token_bucket(count, period, burst):
    """Counts in the window of now."""
    length = period * burst // count

    def step(state, now, cost):
        window, used = state
        if now // length != window:
            window, used = now // length, 0
        if used + cost <= burst:
            return (window, used + cost), True, burst - used - cost, 0, 0
        wait = -1 if cost > burst else (window + 1) * length - now
        return (window, used), False, burst - used, wait, 0

    return step
