/** Events wait on the device until the service has acknowledged each of them; see docs/reference/events.md. */

import type { AnyEvent } from './event-types.ts';
import type { Tally } from './tally.ts';

export type ViewerEvent = AnyEvent;

export interface Waiting {
  event: ViewerEvent;
  /** Who did it: events of one profile are never sent as another's. */
  profile: string;
}

export interface Verdict {
  id: string;
  status: 'stored' | 'duplicate' | 'failed';
  reason?: string;
}

/** Keeps what waits; IndexedDB in browsers. */
export interface Store {
  /** Keep an event, and count it as made; one that is kept already is left as it is. */
  put(waiting: Waiting): Promise<void>;
  /** The oldest of a profile, by id. */
  list(profile: string, most: number): Promise<Waiting[]>;
  /** Forget events, and count them as done. */
  remove(ids: readonly string[]): Promise<void>;
  count(): Promise<number>;
  /** What the service has not heard yet of how many a profile's events are. */
  tally(profile: string): Promise<Tally>;
  /** The service has heard it. */
  told(profile: string, tally: Tally): Promise<void>;
}

export type Send = (events: ViewerEvent[], tally: Tally) => Promise<Verdict[]>;

export const BATCH = 100;
const KEPT_MOST = 5000;
const FIRST_MS = 1000;
const LONGEST_MS = 60_000;

/** Sends what waits, in batches, again and again, and forgets an event only when the service has judged it. */
export class EventQueue {
  private readonly store: Store;
  private readonly send: Send;
  private readonly profile: () => Promise<string | null>;
  private failures = 0;
  private sender: { profile: string; name: string } | null = null;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private sending: Promise<void> | null = null;

  constructor(store: Store, send: Send, profile: () => Promise<string | null>) {
    this.store = store;
    this.send = send;
    this.profile = profile;
  }

  /** Keep an event, and send it soon. */
  async add(event: ViewerEvent, soonMs = 2000): Promise<void> {
    const profile = await this.profile();
    if (profile === null) return; // nobody watches: nothing is reported
    await this.store.put({ event, profile });
    if ((await this.store.count()) > KEPT_MOST) await this.dropOldest(profile);
    this.schedule(soonMs);
  }

  /** Under whose name a profile's events were sent from here; null where none were. */
  senderOf(profile: string): string | null {
    return this.sender?.profile === profile ? this.sender.name : null;
  }

  /** Send now; resolves when nothing waits or sending has failed. */
  async flush(): Promise<void> {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.sending ??= this.drain().finally(() => {
      this.sending = null;
    });
    await this.sending;
  }

  /** The network is back: no need to wait longer. */
  hurry(): void {
    this.failures = 0;
    this.schedule(0);
  }

  /** The newest position that the service may not know yet; null when it knows. */
  async pendingPosition(playableId: string): Promise<number | null> {
    const profile = await this.profile();
    if (profile === null) return null;
    const waiting = await this.store.list(profile, KEPT_MOST);
    const known = waiting.filter(({ event }) => event.playable_id === playableId && event.position_s !== undefined);
    const newest = known.reduce<ViewerEvent | null>((best, { event }) => (!best || event.at_ms >= best.at_ms ? event : best), null);
    return newest?.position_s ?? null;
  }

  private schedule(ms: number): void {
    if (this.timer !== null && ms > 0) return;
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.flush(), ms);
  }

  private async drain(): Promise<void> {
    try {
      const profile = await this.profile();
      while (profile !== null) {
        const waiting = await this.store.list(profile, BATCH);
        if (waiting.length === 0) break;
        const tally = await this.store.tally(profile);
        this.sender = { profile, name: tally.sender };
        const verdicts = await this.send(waiting.map((one) => one.event), tally);
        await this.store.told(profile, tally);
        const judged = new Set(verdicts.map((verdict) => verdict.id));
        const sent = waiting.map((one) => one.event.id);
        await this.store.remove(sent.filter((id) => judged.has(id)));
        if (!sent.some((id) => judged.has(id))) throw new Error('the service judged none of the events');
      }
      this.failures = 0;
    } catch (error) {
      const atLeast = (error as { retryAfterMs?: number }).retryAfterMs ?? 0;
      const backOff = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(this.failures++, 6));
      this.schedule(Math.max(atLeast, backOff * (0.5 + Math.random() / 2)));
    }
  }

  private async dropOldest(profile: string): Promise<void> {
    const oldest = await this.store.list(profile, BATCH);
    await this.store.remove(oldest.map((one) => one.event.id));
  }
}
