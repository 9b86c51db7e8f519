import { events } from '../events/report.ts';
import { connection, take } from './beginning.ts';
import type { Engine } from './engine.ts';
import { MediaNetwork } from './media-network.ts';
import { NativeEngine } from './native-engine.ts';
import { QualityOfExperience } from './qoe.ts';
import type { Session, StoredSession } from './session.ts';
import type { ShakaEngine } from './shaka-engine.ts';
import type { Shaka } from './shaka-network.ts';

/** So near the end nobody resumes. */
const OVER_S = 5;
/** Picture and sound end as close to each other. */
const SEAM_S = 0.5;
const RECALL_MS = 1000;

interface Parts {
  session: Session;
  network: MediaNetwork;
  engine: Engine;
  ended: AbortController;
  requestedAt: number;
}

/**
 * One playable on one video element, from the request to the last heartbeat. Dispatches `failed` (CustomEvent of
 * Error) when playback cannot go on, and `signed-out` and `signed-in`.
 */
export class Playback extends EventTarget {
  readonly session: Session;
  readonly network: MediaNetwork;
  readonly engine: Engine;
  readonly qoe: QualityOfExperience;
  readonly startedAtS: number;
  private readonly video: HTMLVideoElement;
  private readonly ended: AbortController;
  private readonly timer: ReturnType<typeof setInterval>;

  private constructor(video: HTMLVideoElement, parts: Parts, startedAtS: number) {
    super();
    this.video = video;
    this.session = parts.session;
    this.network = parts.network;
    this.engine = parts.engine;
    this.qoe = new QualityOfExperience(video, this.session, this.engine, parts.requestedAt);
    this.ended = parts.ended;
    this.startedAtS = startedAtS;
    this.timer = setInterval(() => void this.beat(), this.session.now.heartbeat_s * 1000);
    for (const name of ['signed-out', 'signed-in']) {
      this.session.addEventListener(name, () => this.dispatchEvent(new Event(name)));
    }
    this.engine.addEventListener('failed', (event) => this.fail((event as CustomEvent<Error>).detail));
  }

  /** Begin to play. Waits for the network as long as it takes; throws Problem when the service refuses. */
  static async open(video: HTMLVideoElement, playableId: string, startS?: number): Promise<Playback> {
    const ended = new AbortController();
    const { session, device, ahead, requestedAt } = await take(playableId, ended.signal);
    const network = new MediaNetwork(session.urls, connection, () => session.renew(ended.signal), ahead, () => standsStill(video));
    const engine = device.mse
      ? await shakaEngine(import('./shaka-hls.ts'), video, session, network)
      : new NativeEngine(video, session, connection);
    return Playback.begin(video, { session, network, engine, ended, requestedAt }, startS);
  }

  /** Play a film that is kept on the device. */
  static async openStored(video: HTMLVideoElement, session: StoredSession, startS?: number): Promise<Playback> {
    const ended = new AbortController();
    const network = new MediaNetwork(session.urls, connection, () => session.renew());
    const whole = import('./shaka-whole.ts') as unknown as Promise<{ default: Shaka }>;
    const engine = await shakaEngine(whole, video, session, network);
    return Playback.begin(video, { session, network, engine, ended, requestedAt: performance.now() }, startS);
  }

  private static async begin(video: HTMLVideoElement, parts: Parts, startS?: number): Promise<Playback> {
    const { now } = parts.session;
    const wanted = startS ?? (await pendingPosition(now.playable_id)) ?? now.resume_s;
    const playback = new Playback(video, parts, wanted > 0 && wanted < now.duration_s - OVER_S ? wanted : 0);
    void parts.engine.load(playback.startedAtS).catch((error: unknown) => playback.fail(error as Error));
    return playback;
  }

  /** Aborted when playback is over. */
  get signal(): AbortSignal {
    return this.ended.signal;
  }

  /** Whether there is no more of the film yet than what is in the buffer. */
  get awaitsEncoder(): boolean {
    const madeS = this.engine.seekableEnd(); // 0 while nothing is known of the film
    const bufferedS = this.video.currentTime + this.engine.stats().bufferS;
    return !this.session.now.complete && madeS > 0 && bufferedS > madeS - SEAM_S;
  }

  /** Stop, and tell the service. */
  async close(): Promise<void> {
    clearInterval(this.timer);
    this.qoe.close();
    this.ended.abort();
    this.session.end();
    await this.engine.destroy();
  }

  private async beat(): Promise<void> {
    this.qoe.beat();
    if (this.video.paused) return; // a pause may last all night; the next segment asks for fresh signatures itself
    try {
      await this.session.renew(this.ended.signal);
    } catch (error) {
      if (!this.ended.signal.aborted) this.fail(error as Error);
    }
  }

  private fail(error: Error): void {
    if (this.ended.signal.aborted) return;
    this.qoe.failed(error);
    this.dispatchEvent(new CustomEvent('failed', { detail: error }));
  }
}

/** Where a viewer stopped that the service has not heard of; null where this device does not know, or not in a second. */
function pendingPosition(playableId: string): Promise<number | null> {
  const known = events().then((queue) => queue.pendingPosition(playableId)).catch(() => null);
  return Promise.race([known, new Promise<null>((resolve) => setTimeout(resolve, RECALL_MS, null))]);
}

/** Whether the film should move, and cannot for want of data: shaka-player then holds the rate at 0. */
function standsStill(video: HTMLVideoElement): boolean {
  return !video.paused && (video.readyState < HTMLMediaElement.HAVE_FUTURE_DATA || video.playbackRate === 0);
}

async function shakaEngine(
  code: Promise<{ default: Shaka }>,
  video: HTMLVideoElement,
  session: Session,
  network: MediaNetwork,
): Promise<ShakaEngine> {
  const [{ default: shaka }, made] = await Promise.all([code, import('./shaka-engine.ts')]);
  return made.ShakaEngine.attach(shaka, video, session, network);
}
