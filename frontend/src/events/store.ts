import type { Store, Waiting } from './queue.ts';

const DATABASE = 'reelwright';
const EVENTS = 'events';

/** Events in IndexedDB: they survive a reload, a closed browser and a flight. */
export class DeviceStore implements Store {
  private readonly database: IDBDatabase;

  private constructor(database: IDBDatabase) {
    this.database = database;
  }

  /** The device's own store. Throws where the browser keeps nothing. */
  static async open(): Promise<DeviceStore> {
    return new DeviceStore(await open());
  }

  async put(waiting: Waiting): Promise<void> {
    await this.run('readwrite', (events) => events.put(waiting, waiting.event.id));
  }

  async list(profile: string, most: number): Promise<Waiting[]> {
    const every = await this.run<Waiting[]>('readonly', (events) => events.getAll(null, most * 4));
    return every.filter((waiting) => waiting.profile === profile).slice(0, most);
  }

  async remove(ids: readonly string[]): Promise<void> {
    await this.run('readwrite', (events) => {
      for (const id of ids) events.delete(id);
      return events.count();
    });
  }

  count(): Promise<number> {
    return this.run('readonly', (events) => events.count());
  }

  private run<T>(mode: IDBTransactionMode, act: (events: IDBObjectStore) => IDBRequest): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const transaction = this.database.transaction(EVENTS, mode, { durability: 'relaxed' });
      const request = act(transaction.objectStore(EVENTS));
      transaction.commit(); // now, even if the page goes away
      transaction.oncomplete = () => resolve(request.result as T);
      transaction.onabort = () => reject(transaction.error ?? new Error('the device did not keep it'));
    });
  }
}

/** Where a browser keeps nothing (private windows of some), events live as long as the page. */
export class MemoryStore implements Store {
  private readonly waiting = new Map<string, Waiting>();

  put(waiting: Waiting): Promise<void> {
    this.waiting.set(waiting.event.id, waiting);
    return Promise.resolve();
  }

  list(profile: string, most: number): Promise<Waiting[]> {
    const own = [...this.waiting.values()].filter((one) => one.profile === profile);
    return Promise.resolve(own.sort((a, b) => (a.event.id < b.event.id ? -1 : 1)).slice(0, most));
  }

  remove(ids: readonly string[]): Promise<void> {
    for (const id of ids) this.waiting.delete(id);
    return Promise.resolve();
  }

  count(): Promise<number> {
    return Promise.resolve(this.waiting.size);
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
