-- The step functions of core/*.py for PostgreSQL, in whole ticks; one conformance suite holds all to the same answers.
-- reelwright_limits_decide takes and gives what adapters/decide.lua does, so that one writer serves both.
CREATE TABLE IF NOT EXISTS reelwright_limits (
  key bytea PRIMARY KEY, state bigint[] NOT NULL, dies bigint NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX IF NOT EXISTS reelwright_limits_dies ON reelwright_limits (dies);
CREATE TABLE IF NOT EXISTS reelwright_limits_clock (
  key bytea PRIMARY KEY, high bigint NOT NULL, shift bigint NOT NULL, epoch text NOT NULL
);

CREATE OR REPLACE FUNCTION reelwright_limits_step(
  algorithm bigint, count bigint, period bigint, extra bigint, state bigint[], now bigint, cost bigint, settles boolean,
  OUT kept bigint[], OUT allowed boolean, OUT remaining bigint, OUT wait bigint, OUT reset bigint
) LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  span bigint; tat bigint; ahead bigint; after bigint; at bigint; used bigint; before bigint; rest bigint;
  weighed bigint; oldest bigint; missing bigint; place int; size int; delta bigint := cost;
BEGIN
  allowed := true; wait := 0; reset := 0; remaining := 0; kept := state;
  IF algorithm = 7 THEN
    allowed := cost = 0;
    IF NOT allowed THEN wait := -1; END IF;
  ELSIF algorithm <= 2 THEN
    span := (period + count - 1) / count;
    tat := coalesce(state[1], 0);
    ahead := greatest(0, tat - now);
    IF settles THEN
      kept := ARRAY[greatest(now, now + ahead + cost * span)];
      RETURN;
    END IF;
    after := CASE WHEN cost > extra / span THEN extra + 1 ELSE ahead + cost * span END;
    IF after <= extra THEN
      kept := ARRAY[now + after];
      remaining := (extra - after) / span;
      reset := after;
      IF algorithm = 2 THEN wait := greatest(0, tat - now); END IF;
    ELSE
      allowed := false;
      remaining := greatest(0, (extra - ahead) / span);
      wait := CASE WHEN cost > extra / span THEN -1 ELSE after - extra END;
      reset := ahead;
    END IF;
  ELSIF algorithm <= 4 THEN
    at := now / period;
    used := CASE WHEN state[1] = at THEN state[2] ELSE 0 END;
    before := CASE WHEN state[1] = at THEN state[3] WHEN state[1] = at - 1 THEN state[2] ELSE 0 END;
    used := coalesce(used, 0); before := coalesce(before, 0);
    IF settles THEN
      kept := ARRAY[at, greatest(0, used + cost), before];
      RETURN;
    END IF;
    rest := (at + 1) * period - now;
    IF algorithm = 3 THEN before := 0; END IF;
    weighed := ceil(before::numeric * rest / period);
    allowed := used + weighed + cost <= count;
    IF NOT allowed THEN
      wait := CASE
        WHEN cost > count THEN -1
        WHEN algorithm = 3 THEN rest
        WHEN count - cost - used >= 0 THEN rest - div((count - cost - used)::numeric * period, before)
        ELSE rest + period - div((count - cost)::numeric * period, used)
      END;
    ELSE
      used := used + cost;
    END IF;
    kept := ARRAY[at, used, before];
    remaining := greatest(0, count - used - weighed);
    reset := CASE
      WHEN algorithm = 3 THEN CASE WHEN used > 0 OR NOT allowed THEN rest ELSE 0 END
      WHEN used > 0 THEN rest + period WHEN before > 0 THEN rest ELSE 0
    END;
  ELSIF algorithm = 5 THEN
    oldest := floor((now - period + 1)::numeric / extra);
    kept := '{}'; used := 0;
    FOR place IN 1 .. coalesce(array_length(state, 1), 0) BY 2 LOOP
      IF state[place] >= oldest THEN
        kept := kept || state[place:place + 1];
        used := used + state[place + 1];
      END IF;
    END LOOP;
    size := coalesce(array_length(kept, 1), 0);
    IF settles AND cost <= 0 THEN
      WHILE size > 0 AND delta < 0 LOOP
        rest := kept[2] + delta;
        IF rest > 0 THEN
          kept[2] := rest; delta := 0;
        ELSE
          kept := kept[3:size]; size := size - 2; delta := rest;
        END IF;
      END LOOP;
      RETURN;
    END IF;
    allowed := settles OR used + cost <= count;
    IF allowed THEN
      IF cost > 0 THEN
        at := now / extra;
        IF size > 0 AND kept[size - 1] >= at THEN
          kept[size] := kept[size] + cost;
        ELSE
          kept := kept || ARRAY[at, cost]; size := size + 2;
        END IF;
      END IF;
      remaining := count - used - cost;
    ELSE
      remaining := greatest(0, count - used); wait := -1; missing := used + cost - count;
      IF cost <= count THEN
        FOR place IN 1 .. size BY 2 LOOP
          missing := missing - kept[place + 1];
          IF missing <= 0 THEN
            wait := (kept[place] + 1) * extra + period - 1 - now;
            EXIT;
          END IF;
        END LOOP;
      END IF;
    END IF;
    reset := CASE WHEN size > 0 THEN (kept[size - 1] + 1) * extra + period - 1 - now ELSE 0 END;
  ELSE
    SELECT coalesce(array_agg(ends ORDER BY ends), '{}') INTO kept FROM unnest(state) AS ends WHERE ends > now;
    size := coalesce(array_length(kept, 1), 0);
    IF settles AND cost <= 0 THEN
      kept := kept[1 - cost:size];
      RETURN;
    END IF;
    allowed := settles OR size + cost <= count;
    IF allowed THEN
      kept := kept || array_fill(now + period, ARRAY[cost::int]);
      remaining := count - size - cost;
    ELSE
      remaining := greatest(0, count - size);
      wait := CASE WHEN cost > count THEN -1 ELSE kept[size + cost - count] - now END;
    END IF;
    size := coalesce(array_length(kept, 1), 0);
    reset := CASE WHEN size > 0 THEN kept[size] - now ELSE 0 END;
  END IF;
END $$;

CREATE OR REPLACE FUNCTION reelwright_limits_decide(keys bytea[], ticks bigint, fresh text, argv bigint[])
RETURNS TABLE (epoch text, answer bigint[]) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  earliest bigint := argv[1]; latest bigint := argv[2]; wall bigint; now bigint; clock reelwright_limits_clock;
  known int := argv[3]; place int; first int; ask int; asks int; which int; number int; base int;
  states jsonb := '{}'; state bigint[]; one record; refused boolean; at int; kept jsonb; limit_of int[]; told bigint[];
BEGIN
  SET LOCAL synchronous_commit = off;
  PERFORM pg_advisory_xact_lock(4207, slot) FROM
    (SELECT DISTINCT hashtext(encode(key, 'hex')) AS slot FROM unnest(keys[2:]) AS wanted(key) ORDER BY 1) AS slots;
  SELECT * INTO clock FROM reelwright_limits_clock WHERE key = keys[1];
  wall := floor(extract(epoch FROM clock_timestamp()) * ticks);
  now := wall + coalesce(clock.shift, 0);
  IF latest > 0 AND (now < earliest OR now > latest) THEN now := earliest; END IF;
  now := greatest(now, coalesce(clock.high, 0));
  epoch := coalesce(clock.epoch, fresh);
  SELECT coalesce(jsonb_object_agg(wanted.nr, to_jsonb(row.state)), '{}') INTO states
    FROM unnest(keys) WITH ORDINALITY AS wanted(key, nr) JOIN reelwright_limits AS row USING (key);
  answer := ARRAY[now];
  limit_of := array_fill(0, ARRAY[array_length(keys, 1)]);
  place := 4 + 6 * known;
  WHILE place <= array_length(argv, 1) LOOP
    asks := abs(argv[place]);
    refused := argv[place] < 0;
    kept := '{}'; told := '{}'; first := place + 1;
    FOR ask IN 0 .. asks - 1 LOOP
      at := first + 3 * ask; which := abs(argv[at]); number := argv[at + 1]; base := 4 + 6 * (which - 1);
      state := ARRAY(SELECT jsonb_array_elements_text(states -> number::text)::bigint);
      SELECT * INTO one FROM reelwright_limits_step(
        argv[base], argv[base + 1], argv[base + 2], argv[base + 3], state, now, argv[at + 2], argv[place] < 0);
      IF argv[place] < 0 THEN
        states := states || jsonb_build_object(number, one.kept); limit_of[number] := which;
      ELSE
        refused := refused OR (NOT one.allowed AND argv[at] > 0);
        IF one.allowed THEN kept := kept || jsonb_build_object(number, one.kept); END IF;
        told := told || ARRAY[one.allowed::int::bigint, one.remaining, one.wait, one.reset];
      END IF;
    END LOOP;
    FOR ask IN 0 .. asks - 1 LOOP
      at := first + 3 * ask; which := abs(argv[at]); number := argv[at + 1]; base := 4 + 6 * (which - 1);
      IF argv[place] > 0 AND told[4 * ask + 1] = 1 THEN
        IF NOT refused THEN
          limit_of[number] := which;
        ELSE
          state := ARRAY(SELECT jsonb_array_elements_text(states -> number::text)::bigint);
          SELECT * INTO one FROM reelwright_limits_step(
            argv[base], argv[base + 1], argv[base + 2], argv[base + 3], state, now, 0, false);
          told[4 * ask + 1] := one.allowed::int; told[4 * ask + 2] := one.remaining;
          told[4 * ask + 3] := one.wait; told[4 * ask + 4] := one.reset;
        END IF;
      END IF;
    END LOOP;
    IF NOT refused THEN states := states || kept; END IF;
    answer := answer || told;
    place := first + 3 * asks;
  END LOOP;
  INSERT INTO reelwright_limits AS row
    SELECT keys[nr], ARRAY(SELECT jsonb_array_elements_text(states -> nr::text)::bigint),
           now + argv[4 + 6 * (used - 1) + 5] / 1000 * ticks + CASE WHEN argv[4 + 6 * (used - 1)] <= 2
             THEN greatest(0, (states -> nr::text ->> 0)::bigint - now - argv[4 + 6 * (used - 1) + 3]) ELSE 0 END
      FROM unnest(limit_of) WITH ORDINALITY AS touched(used, nr) WHERE used > 0
    ON CONFLICT (key) DO UPDATE SET state = excluded.state, dies = excluded.dies;
  DELETE FROM reelwright_limits WHERE key IN
    (SELECT key FROM reelwright_limits WHERE dies < now ORDER BY dies LIMIT 4 FOR UPDATE SKIP LOCKED);
  IF clock.key IS NULL OR now - clock.high >= ticks / 100 OR now - wall <> clock.shift THEN
    INSERT INTO reelwright_limits_clock AS row VALUES (keys[1], now, now - wall, epoch)
      ON CONFLICT (key) DO UPDATE SET high = greatest(row.high, excluded.high), shift = excluded.shift;
  END IF;
  RETURN NEXT;
END $$;
