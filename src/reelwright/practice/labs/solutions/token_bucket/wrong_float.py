"""Tokens are a floating-point number, which rounds."""

EMPTY = None


def token_bucket(count, period, burst):
    """Right to about fifteen digits."""

    def step(state, now, cost):
        tokens, at = state or (float(burst), now)
        tokens = min(float(burst), tokens + (now - at) * count / period)
        if tokens >= cost:
            return (tokens - cost, now), True, int(tokens - cost), 0, 0
        wait = -1 if cost > burst else -int(-(cost - tokens) * period // count)
        return (tokens, now), False, int(tokens), wait, 0

    return step
