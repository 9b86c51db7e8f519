import type { Store, Waiting } from './queue.ts';
import { emptyRow, hourOf, newSender, toldRow, untold, type Tally, type TallyRow } from './tally.ts';

const DATABASE = 'reelwright';
const EVENTS = 'events';
const TALLIES = '~tally|';
/** Sorts behind every event's id: events and their tallies change in one transaction, or not at all. */
const SENDERS = '~sender|';
const ANSWER_MS = 3000;

/** Events in IndexedDB: they survive a reload, a closed browser and a flight. */
export class DeviceStore implements Store {
  private readonly database: IDBDatabase;
  private readonly changes = new Set<IDBTransaction>();

  private constructor(database: IDBDatabase) {
    this.database = database;
    addEventListener('pagehide', () => this.letGo());
  }

  /** The device's own store. Throws where the browser keeps nothing, or does not say within three seconds what it keeps. */
  static open(): Promise<DeviceStore> {
    const opened = open().then(async (database) => {
      const store = new DeviceStore(database);
      await store.count();
      return store;
    });
    const late = new Promise<never>((_, reject) => setTimeout(reject, ANSWER_MS, new Error('the device did not answer')));
    return Promise.race([opened, late]);
  }

  async put(waiting: Waiting): Promise<void> {
    await this.change(async (events) => {
      if ((await asked<IDBValidKey | undefined>(events.getKey(waiting.event.id))) !== undefined) return;
      events.put(waiting, waiting.event.id);
      const row = await rowOf(events, waiting.profile, waiting.event.id);
      events.put({ ...row, made: row.made + 1 }, keyOf(row));
    });
  }

  async list(profile: string, most: number): Promise<Waiting[]> {
    const every = await this.read<Waiting[]>((events) => events.getAll(eventKeys(), most * 4));
    return every.filter((waiting) => waiting.profile === profile).slice(0, most);
  }

  async remove(ids: readonly string[]): Promise<void> {
    await this.change(async (events) => {
      for (const id of ids) {
        const waiting = await asked<Waiting | undefined>(events.get(id));
        if (waiting === undefined) continue; // another tab was faster
        events.delete(id);
        const row = await rowOf(events, waiting.profile, id);
        events.put({ ...row, done: row.done + 1 }, keyOf(row));
      }
    });
  }

  count(): Promise<number> {
    return this.read((events) => events.count(eventKeys()));
  }

  async tally(profile: string): Promise<Tally> {
    let found: Tally | null = null;
    await this.change(async (events) => {
      const known = await asked<{ sender: string } | undefined>(events.get(SENDERS + profile));
      const sender = known?.sender ?? newSender();
      if (known === undefined) events.put({ sender }, SENDERS + profile);
      const prefix = `${TALLIES}${profile}|`;
      found = untold(sender, await asked<TallyRow[]>(events.getAll(IDBKeyRange.bound(prefix, `${prefix}~`))));
    });
    if (found === null) throw new Error('the device did not answer');
    return found;
  }

  async told(profile: string, tally: Tally): Promise<void> {
    await this.change(async (events) => {
      for (const hour of tally.hours) {
        const key = keyOf({ owner: profile, hour: hour.hour });
        const row = await asked<TallyRow | undefined>(events.get(key));
        const heard = row && toldRow(row, hour, Date.now());
        if (heard) events.put(heard, key);
        else events.delete(key);
      }
    });
  }

  private read<T>(ask: (events: IDBObjectStore) => IDBRequest): Promise<T> {
    return asked<T>(ask(this.database.transaction(EVENTS, 'readonly').objectStore(EVENTS)));
  }

  private change(act: (events: IDBObjectStore) => Promise<void>): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const transaction = this.database.transaction(EVENTS, 'readwrite', { durability: 'relaxed' });
      this.changes.add(transaction);
      transaction.oncomplete = () => {
        this.changes.delete(transaction);
        resolve();
      };
      transaction.onabort = () => {
        this.changes.delete(transaction);
        reject(transaction.error ?? new Error('the device did not keep it'));
      };
      void act(transaction.objectStore(EVENTS)).then(
        () => transaction.commit(), // now, even if the page goes away
        () => end(transaction),
      );
    });
  }

  /** WebKit keeps a page that is left as it stands: what it is changing then, no other page could read or change. */
  private letGo(): void {
    for (const transaction of this.changes) end(transaction);
  }
}

function end(transaction: IDBTransaction): void {
  try {
    transaction.abort();
  } catch {
    // it has ended, or will by itself
  }
}

const eventKeys = (): IDBKeyRange => IDBKeyRange.upperBound('~', true);

const keyOf = ({ owner, hour }: Pick<TallyRow, 'owner' | 'hour'>): string => `${TALLIES}${owner}|${hour}`;

async function rowOf(events: IDBObjectStore, profile: string, id: string): Promise<TallyRow> {
  const empty = emptyRow(profile, hourOf(id));
  return (await asked<TallyRow | undefined>(events.get(keyOf(empty)))) ?? empty;
}

function asked<T>(request: IDBRequest): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    request.onsuccess = () => resolve(request.result as T);
    request.onerror = () => reject(request.error ?? new Error('the device did not answer'));
  });
}

/** Where a browser keeps nothing (private windows of some), events live as long as the page. */
export class MemoryStore implements Store {
  private readonly waiting = new Map<string, Waiting>();
  private readonly rows = new Map<string, TallyRow>();
  private readonly senders = new Map<string, string>();

  put(waiting: Waiting): Promise<void> {
    if (this.waiting.has(waiting.event.id)) return Promise.resolve();
    this.waiting.set(waiting.event.id, waiting);
    this.rowOf(waiting).made += 1;
    return Promise.resolve();
  }

  list(profile: string, most: number): Promise<Waiting[]> {
    const own = [...this.waiting.values()].filter((one) => one.profile === profile);
    return Promise.resolve(own.sort((a, b) => (a.event.id < b.event.id ? -1 : 1)).slice(0, most));
  }

  remove(ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      const waiting = this.waiting.get(id);
      if (waiting && this.waiting.delete(id)) this.rowOf(waiting).done += 1;
    }
    return Promise.resolve();
  }

  count(): Promise<number> {
    return Promise.resolve(this.waiting.size);
  }

  tally(profile: string): Promise<Tally> {
    const sender = this.senders.get(profile) ?? newSender();
    this.senders.set(profile, sender);
    return Promise.resolve(untold(sender, [...this.rows.values()].filter((row) => row.owner === profile)));
  }

  told(profile: string, tally: Tally): Promise<void> {
    for (const hour of tally.hours) {
      const key = keyOf({ owner: profile, hour: hour.hour });
      const row = this.rows.get(key);
      const heard = row && toldRow(row, hour, Date.now());
      if (heard) this.rows.set(key, heard);
      else this.rows.delete(key);
    }
    return Promise.resolve();
  }

  private rowOf({ profile, event }: Waiting): TallyRow {
    const empty = emptyRow(profile, hourOf(event.id));
    const row = this.rows.get(keyOf(empty)) ?? empty;
    this.rows.set(keyOf(row), row);
    return row;
  }
}

function open(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(EVENTS);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('no IndexedDB'));
  });
}
