/** Written by `make docs` from `playback/core/bitrate.py`; edit there. */

/**
 * The place in the ladder (lowest first) of the next segment.
 *
 * `speedsBps` are those with which the segments before came, the latest last; `bufferS` is what is there and not
 * yet played; `rung` is that of the segment before, -1 for none. The network is taken to carry the harmonic mean of
 * the latest eight. Of that a share is asked for which grows with the buffer: the buffer pays for what turns out
 * wrong. Up goes one rung at a time and only with some buffer; down it goes at once, but for a full buffer, which
 * rides out a sag.
 */
export function nextRung(rungsBps: readonly number[], speedsBps: readonly number[], bufferS: number, rung: number): number {
  if (speedsBps.length === 0) {
    return 0;
  }
  let latest = Math.min(8, speedsBps.length);
  let slowness = 0.0;
  for (let at = (speedsBps.length - latest); at < speedsBps.length; at += 1) {
    slowness += (1 / speedsBps[at]!);
  }
  let mostBps = ((Math.min(1.3, (0.3 + (0.035 * bufferS))) * latest) / slowness);
  let best = 0;
  for (let at = 0; at < rungsBps.length; at += 1) {
    if (rungsBps[at]! <= mostBps) {
      best = at;
    }
  }
  if (best > rung) {
    return (bufferS > 8 ? (rung + 1) : Math.max(rung, 0));
  }
  return (bufferS > 18 ? rung : best);
}
