/** What the network is taken to carry before anything was measured: it decides the first rung. */

const KEY = 'rw.throughput';
const FRESH_MS = 30 * 60_000;
const LOWEST_BPS = 250_000;
const HIGHEST_START_BPS = 5_000_000;
const ENOUGH_BYTES = 30_000;

export interface Evidence {
  /** Measured by an earlier playback on this device, and when. */
  remembered: { bps: number; atMs: number } | null;
  /** Of this page's own scripts: bytes over the wire and milliseconds. */
  fetched: readonly { bytes: number; ms: number }[];
  /** `navigator.connection.downlink`, an upper bound where the browser gives one. */
  downlinkBps: number | null;
  saveData: boolean;
}

/** Bits per second to start with; the lowest rung where nothing is known. */
export function startEstimate(evidence: Evidence, nowMs: number): number {
  const known: number[] = [];
  const { remembered } = evidence;
  if (remembered && nowMs - remembered.atMs < FRESH_MS) known.push(remembered.bps * 0.8);
  const bytes = evidence.fetched.reduce((sum, one) => sum + one.bytes, 0);
  const ms = Math.max(...evidence.fetched.map((one) => one.ms), 1);
  if (bytes >= ENOUGH_BYTES) known.push((bytes * 8000) / ms);
  if (known.length === 0 || evidence.saveData) return LOWEST_BPS;
  const bound = evidence.downlinkBps ?? Infinity;
  return Math.max(LOWEST_BPS, Math.min(bound, HIGHEST_START_BPS, ...known));
}

/** The evidence that this page has. */
export function gather(): Evidence {
  const link = (navigator as { connection?: { downlink?: number; saveData?: boolean } }).connection;
  const entries = performance.getEntriesByType('resource') as PerformanceResourceTiming[];
  const fetched = entries
    .filter((entry) => entry.transferSize > 10_000 && entry.responseStart > 0)
    .map((entry) => ({ bytes: entry.transferSize, ms: entry.responseEnd - entry.responseStart }));
  return {
    remembered: read(),
    fetched,
    downlinkBps: link?.downlink ? link.downlink * 1_000_000 : null,
    saveData: link?.saveData ?? false,
  };
}

/** Keep what was measured, for the next start. */
export function remember(bps: number, nowMs: number = Date.now()): void {
  try {
    localStorage.setItem(KEY, JSON.stringify({ bps: Math.round(bps), atMs: nowMs }));
  } catch {
    // a full or forbidden storage only costs the next start some sharpness
  }
}

function read(): Evidence['remembered'] {
  try {
    const value: unknown = JSON.parse(localStorage.getItem(KEY) ?? 'null');
    const { bps, atMs } = (value ?? {}) as { bps?: unknown; atMs?: unknown };
    return typeof bps === 'number' && typeof atMs === 'number' ? { bps, atMs } : null;
  } catch {
    return null;
  }
}
