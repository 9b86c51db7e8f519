import type { Waiting } from './queue.ts';

const PREFIX = 'rw.event.';

/**
 * Events on their way into the store. It is written before anything else happens, and at once: a page that goes away waits
 * for no database, and what did not get there is found by the next page.
 */
export class Journal {
  private readonly storage: Storage;

  constructor(storage: Storage) {
    this.storage = storage;
  }

  write(waiting: Waiting): void {
    try {
      this.storage.setItem(PREFIX + waiting.event.id, JSON.stringify(waiting));
    } catch {
      // full or forbidden: the store may still get it
    }
  }

  strike(id: string): void {
    this.storage.removeItem(PREFIX + id);
  }

  /** Give what is written to `keep`, and strike each once it is kept; what cannot be read is struck. */
  async replay(keep: (waiting: Waiting) => Promise<void>): Promise<void> {
    for (const key of this.keys()) {
      const waiting = read(this.storage.getItem(key));
      if (waiting) await keep(waiting);
      this.storage.removeItem(key);
    }
  }

  private keys(): string[] {
    const every = Array.from({ length: this.storage.length }, (_, at) => this.storage.key(at) ?? '');
    return every.filter((key) => key.startsWith(PREFIX)).sort();
  }
}

function read(text: string | null): Waiting | null {
  try {
    const { event, profile } = JSON.parse(text ?? '') as Waiting;
    return event.id && profile ? { event, profile } : null;
  } catch {
    return null;
  }
}
