"""What every system shares: clock, ids, errors, settings, database, objects, jobs, principal, telemetry."""
