const FIRST_MS = 250;
/** What no service hears may come often; a service that answers with an error is asked less often by its Retry-After. */
const LONGEST_MS = 500;

/** How long to wait before attempt `attempt + 1`: doubling, capped, spread so that players do not come back in step. */
export function pauseMs(attempt: number, random: number = Math.random()): number {
  return Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt, 10)) * (0.5 + random / 2);
}

/** What a viewer may be told. */
export type Trouble = 'none' | 'offline' | 'unreachable';

/**
 * What is known of the way to the service. Everything that fetches tells it what happened, and waits here before it
 * tries again: for a capped time, or until the browser says that the network is back.
 */
export class Connection extends EventTarget {
  private since: number | null = null;
  private readonly isOnline: () => boolean;
  private readonly waiting = new Set<() => void>();

  constructor(source: EventTarget = window, isOnline: () => boolean = () => navigator.onLine) {
    super();
    this.isOnline = isOnline;
    source.addEventListener('online', () => this.resume());
    source.addEventListener('offline', () => this.tell());
  }

  get trouble(): Trouble {
    if (!this.isOnline()) return 'offline';
    return this.since === null ? 'none' : 'unreachable';
  }

  /** An attempt failed for want of a network. */
  failed(now: number = Date.now()): void {
    this.since ??= now;
    this.tell();
  }

  /** An attempt succeeded. */
  reached(): void {
    if (this.since === null) return;
    this.since = null;
    this.endPauses();
    this.tell();
  }

  /** Wait before trying again; ends early when the network is back. Rejects when aborted. */
  pause(attempt: number, signal?: AbortSignal, atLeastMs = 0): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (then: () => void): void => {
        clearTimeout(timer);
        this.waiting.delete(end);
        signal?.removeEventListener('abort', stop);
        then();
      };
      const end = (): void => settle(resolve);
      const stop = (): void => settle(() => reject(new DOMException('no longer wanted', 'AbortError')));
      const timer = setTimeout(end, Math.max(pauseMs(attempt), atLeastMs));
      if (atLeastMs === 0) this.waiting.add(end); // what a service asked for holds, whoever else is served
      if (signal?.aborted) stop();
      else signal?.addEventListener('abort', stop);
    });
  }

  private resume(): void {
    this.endPauses();
    this.dispatchEvent(new Event('back'));
    this.tell();
  }

  private endPauses(): void {
    for (const end of [...this.waiting]) end();
  }

  private tell(): void {
    this.dispatchEvent(new Event('change'));
  }
}
