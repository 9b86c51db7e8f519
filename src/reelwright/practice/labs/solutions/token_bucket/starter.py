"""To begin with: it runs, and is not exact."""

EMPTY = (None, 0.0)


def token_bucket(count, period, burst):
    """Tokens as a floating-point number: where does it go wrong?"""

    def step(state, now, cost):
        at, tokens = state
        tokens = float(burst) if at is None else min(burst, tokens + (now - at) * count / period)
        allowed = tokens >= cost
        if allowed:
            tokens -= cost
        wait = 0 if allowed else -1 if cost > burst else int((cost - tokens) * period / count)
        return (now, tokens), allowed, int(tokens), wait, 0

    return step
