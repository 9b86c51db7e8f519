import { call, Problem, refreshCaller } from '../api.ts';
import type { Connection } from './connection.ts';
import type { Device, Heartbeat, PlaybackSession, Steering } from './contract.ts';
import { MediaUrls } from './media-urls.ts';

const PATH = '/api/v1/playback/sessions';
/** How long an edge may take to steer, and until another is asked. */
const STEER_MS = 2500;

type Call = typeof call;

/** What plays, and who vouches for it. */
export interface Session extends EventTarget {
  /** As the service said it last. */
  readonly now: PlaybackSession;
  readonly urls: MediaUrls;
  /** Where a film that is kept on the device lies; empty for one that comes from the service. */
  readonly stored: string;
  /** Get fresh signatures; waits as long as it takes. Throws Problem when the service refuses for good. */
  renew(signal: AbortSignal): Promise<void>;
  /** Playback is over. */
  end(): void;
}

/** A film that is kept on the device: nothing has to be asked. */
export class StoredSession extends EventTarget implements Session {
  readonly now: PlaybackSession;
  readonly urls = new MediaUrls([]);
  readonly stored: string;

  constructor(now: PlaybackSession, stored: string) {
    super();
    this.now = now;
    this.stored = stored;
  }

  renew(): Promise<void> {
    return Promise.resolve();
  }

  end(): void {
    // nobody was told of the beginning
  }
}

/**
 * A playback session that is kept alive. It asks until it is answered: no network is a reason to wait, a forgotten
 * session is begun anew, and an ended sign-in is told (`signed-out`) and waited for.
 */
export class LiveSession extends EventTarget implements Session {
  now: PlaybackSession;
  readonly urls: MediaUrls;
  readonly stored = '';
  private readonly device: Device;
  private readonly connection: Connection;
  private readonly call: Call;
  private signedOut = false;
  private steerAt = 0;
  private renewing: Promise<void> | null = null;

  private constructor(first: PlaybackSession, device: Device, connection: Connection, caller: Call) {
    super();
    this.now = first;
    this.urls = new MediaUrls(first.media_bases);
    this.urls.madeAtEdges(first.edge_hls_url);
    this.device = device;
    this.connection = connection;
    this.call = caller;
  }

  /** Begin to play. Throws Problem when the service refuses. */
  static async open(
    playableId: string,
    device: Device,
    connection: Connection,
    signal: AbortSignal,
    caller: Call = call,
  ): Promise<LiveSession> {
    const first = await persist(connection, signal, () =>
      caller<PlaybackSession>('POST', PATH, { playable_id: playableId, device }, { signal }),
    );
    return new LiveSession(first, device, connection, caller);
  }

  renew(signal: AbortSignal): Promise<void> {
    this.renewing ??= this.renewOnce(signal).finally(() => {
      this.renewing = null; // heartbeats of a long tunnel must not all be sent at its end
    });
    return this.renewing;
  }

  private async renewOnce(signal: AbortSignal): Promise<void> {
    for (;;) {
      try {
        await persist(this.connection, signal, () => this.beat(signal));
        this.setSignedOut(false);
        return;
      } catch (error) {
        if (!(error instanceof Problem && error.status === 401)) throw error;
        this.setSignedOut(true);
        await visible(signal);
        await refreshCaller().catch(() => undefined);
      }
    }
  }

  /** Lost on the way, it ends by itself. */
  end(): void {
    void this.call('DELETE', `${PATH}/${this.now.id}`, undefined, { keepalive: true }).catch(() => undefined);
  }

  private async beat(signal: AbortSignal): Promise<void> {
    const felt = this.urls.takeFelt();
    try {
      const fresh = await this.call<Heartbeat>('POST', `${PATH}/${this.now.id}/heartbeat`, felt, { signal });
      this.now = { ...this.now, ...fresh };
    } catch (error) {
      this.urls.keepFelt(felt);
      if (!(error instanceof Problem) || error.transient) void this.steerAlone();
      if (!(error instanceof Problem && error.status === 404)) throw error;
      const body = { playable_id: this.now.playable_id, device: this.device };
      this.now = await this.call<PlaybackSession>('POST', PATH, body, { signal });
      this.urls.madeAtEdges(this.now.edge_hls_url);
    }
    this.urls.renew(this.now.media_bases, this.now.id);
    this.dispatchEvent(new Event('renewed'));
  }

  /** While the service is away edges say which of them are best, as often as their document wants to be asked for. */
  private async steerAlone(): Promise<void> {
    const address = this.urls.steering();
    if (!address || performance.now() < this.steerAt) return;
    this.steerAt = performance.now() + STEER_MS;
    try {
      const answer = await fetch(address, { credentials: 'include', signal: AbortSignal.timeout(STEER_MS) });
      if (!answer.ok) return;
      const said = (await answer.json()) as Steering;
      this.urls.steer(address, said);
      this.steerAt = performance.now() + said.TTL * 1000;
    } catch {
      this.urls.failed(address);
    }
  }

  private setSignedOut(value: boolean): void {
    if (value === this.signedOut) return;
    this.signedOut = value;
    this.dispatchEvent(new Event(value ? 'signed-out' : 'signed-in'));
  }
}

/** Do it, again and again while only the network or a busy service is in the way. */
async function persist<T>(connection: Connection, signal: AbortSignal, ask: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      const answer = await ask();
      connection.reached();
      return answer;
    } catch (error) {
      if (signal.aborted) throw error;
      if (error instanceof Problem && !error.transient) throw error;
      connection.failed();
      await connection.pause(attempt, signal, error instanceof Problem ? error.retryAfterMs : 0);
    }
  }
}

/** Wait until somebody looks at the page again, as after signing in elsewhere; or ten seconds. */
function visible(signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (): void => {
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', done);
      window.removeEventListener('focus', done);
      if (signal.aborted) reject(signal.reason as Error);
      else resolve();
    };
    const timer = setTimeout(done, 10_000);
    document.addEventListener('visibilitychange', done);
    window.addEventListener('focus', done);
    signal.addEventListener('abort', done, { once: true });
  });
}
