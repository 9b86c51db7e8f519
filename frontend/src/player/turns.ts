/**
 * Who may use the line while the film stands still: of picture and sound, what has just got a segment lets the other
 * have its own first, since both are needed to go on.
 */
export class Turns {
  private readonly flying: string[] = [];
  private readonly fed = new Set<string>();
  private readonly waiting = new Set<() => void>();
  private readonly standsStill: () => boolean;

  constructor(standsStill: () => boolean) {
    this.standsStill = standsStill;
  }

  /** Fetch when it is this kind's turn; other kinds than `a` and `v` never wait. Rejects when aborted. */
  async take<T>(kind: string, signal: AbortSignal, fetch: () => Promise<T>): Promise<T> {
    if (kind === '') return fetch();
    while (this.mustWait(kind) && !signal.aborted) await this.change(signal);
    signal.throwIfAborted();
    this.flying.push(kind);
    try {
      const got = await fetch();
      this.fed.add(kind);
      return got;
    } finally {
      this.flying.splice(this.flying.indexOf(kind), 1);
      for (const wake of [...this.waiting]) wake();
    }
  }

  private mustWait(kind: string): boolean {
    if (!this.standsStill()) {
      this.fed.clear();
      return false;
    }
    return this.fed.has(kind) && this.flying.some((other) => other !== kind);
  }

  private change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.waiting.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.waiting.add(wake);
      signal.addEventListener('abort', wake);
    });
  }
}
