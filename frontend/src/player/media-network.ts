import type { Ahead, Early } from './ahead.ts';
import type { Connection } from './connection.ts';
import { MediaUrls } from './media-urls.ts';
import { Turns } from './turns.ts';

/** How long an answer may take to begin, and to go on, before the request is made anew. */
const BEGIN_MS = 8000;
const GO_ON_MS = 5000;
/** The same while the network is in trouble: a connection that died must not hold us for long. */
const HASTY_MS = 2500;
const RENEWALS_MOST = 2;
/** Bandwidth estimators ignore smaller samples: on a slow link, small steps would never lower an estimate. */
const PROGRESS_BYTES = 16 << 10;

/** The service refuses for good: the title is gone, or may no longer be seen. */
export class Refused extends Error {
  readonly status: number;

  constructor(status: number, address: string) {
    super(`${status} for ${address}`);
    this.name = 'Refused';
    this.status = status;
  }
}

export interface Reply {
  data: ArrayBuffer;
  address: string;
  status: number;
  headers: Record<string, string>;
  elapsedMs: number;
}

/** One fetch that ended, for those who watch. */
export interface Sample {
  atMs: number;
  address: string;
  bytes: number;
  firstByteMs: number;
  elapsedMs: number;
  media: boolean;
}

/** Bytes since the last call, the milliseconds they took, and the bytes still to come. */
export type Progress = (elapsedMs: number, bytes: number, remaining: number) => void;

class HttpError extends Error {
  readonly status: number;
  readonly retryAfterMs: number;

  constructor(status: number, retryAfterMs: number) {
    super(`HTTP ${status}`);
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}

/**
 * Fetches manifests and segments, and does not give up: another edge when one, or the service, fails, a fresh signature when one has
 * expired, and otherwise again and again until the network is back. It ends only with the bytes, when nobody wants
 * them any more, or when the service says that they are gone.
 */
export class MediaNetwork extends EventTarget {
  private readonly urls: MediaUrls;
  readonly connection: Connection;
  private readonly renewal: (rejected: string) => Promise<void>;
  private readonly ahead: Ahead | null;
  private readonly fetcher: typeof fetch;
  private readonly turns: Turns;
  private active = 0;
  private renewing: Promise<void> | null = null;

  constructor(
    urls: MediaUrls,
    connection: Connection,
    renew: (rejected: string) => Promise<void>,
    ahead: Ahead | null = null,
    standsStill: () => boolean = () => false,
    fetcher: typeof fetch = (...given) => fetch(...given),
  ) {
    super();
    this.urls = urls;
    this.connection = connection;
    this.renewal = renew;
    this.ahead = ahead;
    this.fetcher = fetcher;
    this.turns = new Turns(standsStill);
  }

  /** Fetch `uri`, wherever it lies now. */
  async get(uri: string, signal: AbortSignal, progress: Progress = () => undefined): Promise<Reply> {
    const early = await this.ahead?.take(uri);
    if (early) return this.arrived(early);
    return this.turns.take(kindOf(uri), signal, () => this.bring(uri, signal, progress));
  }

  private async bring(uri: string, signal: AbortSignal, progress: Progress): Promise<Reply> {
    let renewals = 0;
    const received = new Received();
    for (let attempt = 0; ; attempt++) {
      const address = this.urls.current(uri);
      try {
        const reply = await this.attempt(address, signal, progress, received);
        this.urls.worked(address);
        return reply;
      } catch (error) {
        if (signal.aborted) throw error;
        const status = error instanceof HttpError ? error.status : 0;
        if (status >= 400 && status < 500 && status !== 408 && status !== 429) {
          received.clear();
          if (renewals++ >= RENEWALS_MOST) throw new Refused(status, address);
          await this.renew(address);
          continue;
        }
        this.urls.failed(address);
        if (this.urls.hasOther(address)) continue;
        this.connection.failed();
        await this.connection.pause(attempt, signal, error instanceof HttpError ? error.retryAfterMs : 0);
      }
    }
  }

  private arrived(early: Early): Reply {
    const { data, address, elapsedMs } = early;
    this.tell({ atMs: Date.now(), address, bytes: data.byteLength, firstByteMs: 0, elapsedMs, media: MediaUrls.isMedia(address) });
    return { ...early, status: 200, headers: {} };
  }

  /** Many requests find out at once that their signature has expired; one asks for all. */
  private async renew(rejected: string): Promise<void> {
    this.renewing ??= this.renewal(rejected).finally(() => {
      this.renewing = null;
    });
    await this.renewing;
  }

  private async attempt(address: string, signal: AbortSignal, progress: Progress, received: Received): Promise<Reply> {
    const began = performance.now();
    const hasty = this.connection.trouble !== 'none';
    const control = new AbortController();
    let timer = setTimeout(() => control.abort(), hasty ? HASTY_MS : BEGIN_MS);
    let movedAt = began;
    const stop = (): void => control.abort();
    const restart = (): void => {
      if (performance.now() - movedAt > 500) control.abort();
    };
    signal.addEventListener('abort', stop);
    this.connection.addEventListener('back', restart);
    this.active += 1;
    try {
      const headers = received.range(address);
      const response = await this.fetcher(address, { credentials: credentialsFor(address), headers, signal: control.signal });
      if (!response.ok) throw new HttpError(response.status, secondsOf(response) * 1000);
      this.connection.reached();
      if (response.status !== 206) received.clear();
      const firstByteMs = performance.now() - began;
      const total = Number(response.headers.get('Content-Length') ?? 0);
      let bytes = 0;
      let toldBytes = 0;
      let toldAt = began;
      const reader = response.body?.getReader();
      while (reader) {
        clearTimeout(timer);
        timer = setTimeout(() => control.abort(), hasty ? HASTY_MS : GO_ON_MS);
        const { done, value } = await reader.read();
        movedAt = performance.now();
        if (value) {
          received.add(value);
          bytes += value.byteLength;
        }
        if (done || (movedAt - toldAt > 100 && bytes - toldBytes >= PROGRESS_BYTES)) {
          // Transfers at the same time share the line: each has taken its part of the time.
          progress((movedAt - toldAt) / this.active, bytes - toldBytes, Math.max(0, total - bytes));
          [toldAt, toldBytes] = [movedAt, bytes];
        }
        if (done) break;
      }
      if (total > 0 && bytes < total && !response.headers.get('Content-Encoding')) throw new Error('cut short');
      const elapsedMs = performance.now() - began;
      this.tell({ atMs: Date.now(), address, bytes, firstByteMs, elapsedMs, media: MediaUrls.isMedia(address) });
      return { data: received.joined(), address, status: response.status, headers: plain(response.headers), elapsedMs };
    } finally {
      this.active -= 1;
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
      this.connection.removeEventListener('back', restart);
    }
  }

  private tell(sample: Sample): void {
    this.dispatchEvent(new CustomEvent<Sample>('sample', { detail: sample }));
  }
}

/** `a` or `v` for a segment of sound or picture, as its CMCD says; empty for anything else. */
function kindOf(uri: string): string {
  return /[?&]CMCD=(?:.*?%2C)?ot%3D([av])(?:%2C|&|$)/.exec(uri)?.[1] ?? '';
}

/** Edges know the viewer by a cookie of the host, which all ports share; manifests by the session's. */
function credentialsFor(address: string): RequestCredentials {
  return MediaUrls.isMedia(address) ? 'include' : 'same-origin';
}

function secondsOf(response: Response): number {
  const seconds = Number(response.headers.get('Retry-After') ?? 0);
  return Number.isFinite(seconds) ? Math.min(30, Math.max(0, seconds)) : 0;
}

/** What has come of a segment, over all attempts. */
class Received {
  private parts: Uint8Array[] = [];
  private bytes = 0;

  /** Go on where the last attempt was cut off: a segment's name is the hash of its content, whichever edge has it. */
  range(address: string): Record<string, string> {
    if (!MediaUrls.isMedia(address)) this.clear();
    return this.bytes > 0 ? { Range: `bytes=${this.bytes}-` } : {};
  }

  clear(): void {
    this.parts = [];
    this.bytes = 0;
  }

  add(part: Uint8Array): void {
    this.parts.push(part);
    this.bytes += part.byteLength;
  }

  joined(): ArrayBuffer {
    const whole = new Uint8Array(this.bytes);
    let at = 0;
    for (const part of this.parts) {
      whole.set(part, at);
      at += part.byteLength;
    }
    return whole.buffer;
  }
}

function plain(headers: Headers): Record<string, string> {
  return Object.fromEntries(headers.entries());
}
