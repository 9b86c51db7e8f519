import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { HeartbeatEvent } from '../src/events/event-types.ts';
import { newId } from '../src/events/id.ts';
import { Journal } from '../src/events/journal.ts';
import { BATCH, EventQueue, type Verdict, type ViewerEvent } from '../src/events/queue.ts';
import { MemoryStore } from '../src/events/store.ts';
import type { Tally } from '../src/events/tally.ts';

const stored = (events: ViewerEvent[]): Verdict[] => events.map(({ id }) => ({ id, status: 'stored' }));

function happened(at_ms: number, more: Partial<HeartbeatEvent> = {}): ViewerEvent {
  return { id: newId(at_ms), type: 'heartbeat', at_ms, title_id: 't', playable_id: 'p', position_s: at_ms / 1000, ...more };
}

describe('EventQueue', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('forgets an event only once the service has judged it', async () => {
    const store = new MemoryStore();
    let online = false;
    const queue = new EventQueue(store, (events) => (online ? Promise.resolve(stored(events)) : Promise.reject(new TypeError())), () => Promise.resolve('me'));
    await queue.add(happened(1));
    await queue.flush();
    expect(await store.count()).toBe(1);
    online = true;
    await queue.flush();
    expect(await store.count()).toBe(0);
  });

  it('sends the same id again after a lost answer, so that the service can tell', async () => {
    const sent: string[][] = [];
    const queue = new EventQueue(new MemoryStore(), (events) => {
      sent.push(events.map((one) => one.id));
      return sent.length === 1 ? Promise.reject(new TypeError('answer lost')) : Promise.resolve(stored(events));
    }, () => Promise.resolve('me'));
    await queue.add(happened(1));
    await queue.flush();
    await queue.flush();
    expect(sent[1]).toEqual(sent[0]);
  });

  it('keeps what the service did not judge, and drops what it refused', async () => {
    const store = new MemoryStore();
    const [good, bad, unjudged] = [happened(1), happened(2), happened(3)];
    let answers = 0;
    const queue = new EventQueue(store, () => {
      if (answers++ > 0) return Promise.reject(new TypeError());
      return Promise.resolve([{ id: good.id, status: 'stored' }, { id: bad.id, status: 'failed', reason: 'odd' }]);
    }, () => Promise.resolve('me'));
    for (const one of [good, bad, unjudged]) await queue.add(one);
    await queue.flush();
    expect((await store.list('me', 10)).map(({ event }) => event.id)).toEqual([unjudged.id]);
  });

  it('sends in batches, oldest first', async () => {
    const sizes: number[] = [];
    const firsts: number[] = [];
    const queue = new EventQueue(new MemoryStore(), (events) => {
      sizes.push(events.length);
      firsts.push(events[0]?.at_ms ?? -1);
      return Promise.resolve(stored(events));
    }, () => Promise.resolve('me'));
    for (let at = 1; at <= BATCH + 20; at++) await queue.add(happened(at));
    await queue.flush();
    expect(sizes).toEqual([BATCH, 20]);
    expect(firsts).toEqual([1, BATCH + 1]);
  });

  it('never sends one profile\'s events as another\'s', async () => {
    const store = new MemoryStore();
    let who = 'adult';
    const sent: number[] = [];
    const queue = new EventQueue(store, (events) => {
      sent.push(...events.map((one) => one.at_ms));
      return Promise.resolve(stored(events));
    }, () => Promise.resolve(who));
    await queue.add(happened(1));
    who = 'child';
    await queue.add(happened(2));
    await queue.flush();
    expect(sent).toEqual([2]);
    expect((await store.list('adult', 10)).length).toBe(1);
  });

  it('tries again by itself, later and later', async () => {
    const at: number[] = [];
    const began = Date.now();
    const queue = new EventQueue(new MemoryStore(), () => {
      at.push(Date.now() - began);
      return Promise.reject(new TypeError());
    }, () => Promise.resolve('me'));
    await queue.add(happened(1));
    await vi.advanceTimersByTimeAsync(10 * 60_000);
    const gaps = at.slice(1).map((time, index) => time - (at[index] ?? 0));
    expect(gaps.length).toBeGreaterThan(8);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(61_000);
    expect(gaps[4] ?? 0).toBeGreaterThan(gaps[0] ?? 0);
  });

  it('waits as long as a busy service asks for', async () => {
    let calls = 0;
    const queue = new EventQueue(new MemoryStore(), () => {
      calls += 1;
      return Promise.reject(Object.assign(new Error('busy'), { retryAfterMs: 30_000 }));
    }, () => Promise.resolve('me'));
    await queue.add(happened(1), 0);
    await vi.advanceTimersByTimeAsync(29_000);
    expect(calls).toBe(1);
  });

  it('knows the newest position that the service may not have', async () => {
    const queue = new EventQueue(new MemoryStore(), () => Promise.reject(new TypeError()), () => Promise.resolve('me'));
    await queue.add(happened(10_000));
    await queue.add(happened(70_000));
    await queue.add(happened(90_000, { playable_id: 'other' }));
    expect(await queue.pendingPosition('p')).toBe(70);
    expect(await queue.pendingPosition('unseen')).toBeNull();
  });

  it('reports nothing while nobody watches', async () => {
    const store = new MemoryStore();
    const queue = new EventQueue(store, (events) => Promise.resolve(stored(events)), () => Promise.resolve(null));
    await queue.add(happened(1));
    expect(await store.count()).toBe(0);
  });

  it('says how many events it made and has done with, an hour, and nothing twice', async () => {
    const hour = 3_600_000;
    const told: Tally[] = [];
    const queue = new EventQueue(new MemoryStore(), (events, tally) => {
      told.push(tally);
      return Promise.resolve(stored(events));
    }, () => Promise.resolve('me'));
    await queue.add(happened(5 * hour + 1));
    await queue.add(happened(5 * hour + 2));
    await queue.flush();
    await queue.add(happened(6 * hour));
    await queue.flush();
    await queue.add(happened(6 * hour + 1));
    await queue.flush();
    expect(told.map(({ hours }) => hours)).toEqual([
      [{ hour: 5, made: 2, done: 0 }],
      [{ hour: 5, made: 2, done: 2 }, { hour: 6, made: 1, done: 0 }],
      [{ hour: 6, made: 2, done: 1 }],
    ]);
    expect(new Set(told.map(({ sender }) => sender)).size).toBe(1);
  });

  it('says the same again when the answer was lost', async () => {
    const told: Tally[] = [];
    const queue = new EventQueue(new MemoryStore(), (events, tally) => {
      told.push(tally);
      return told.length === 1 ? Promise.reject(new TypeError()) : Promise.resolve(stored(events));
    }, () => Promise.resolve('me'));
    await queue.add(happened(1));
    await queue.flush();
    await queue.flush();
    expect(told[1]).toEqual(told[0]);
  });

  it('counts what it gave up as done, so that the service sees that it never came', async () => {
    const store = new MemoryStore();
    await store.put({ event: happened(1), profile: 'me' });
    await store.remove((await store.list('me', 1)).map(({ event }) => event.id));
    expect((await store.tally('me')).hours).toEqual([{ hour: 0, made: 1, done: 1 }]);
  });

  it('has another name for each profile', async () => {
    const store = new MemoryStore();
    expect((await store.tally('me')).sender).not.toBe((await store.tally('you')).sender);
  });
});

describe('Journal', () => {
  const storage = (): Storage => {
    const kept = new Map<string, string>();
    return {
      get length() {
        return kept.size;
      },
      key: (at: number) => [...kept.keys()][at] ?? null,
      getItem: (key: string) => kept.get(key) ?? null,
      setItem: (key: string, value: string) => void kept.set(key, value),
      removeItem: (key: string) => void kept.delete(key),
      clear: () => kept.clear(),
    };
  };

  it('gives the next page what did not get into the store, each once, and nothing else', async () => {
    const shared = storage();
    shared.setItem('rw.player.me', '{}');
    const [stored, lost] = [happened(1), happened(2)];
    const left = new Journal(shared);
    for (const event of [stored, lost]) left.write({ event, profile: 'me' });
    left.strike(stored.id);
    const store = new MemoryStore();
    for (let page = 0; page < 2; page += 1) await new Journal(shared).replay((waiting) => store.put(waiting));
    expect(await store.list('me', 10)).toEqual([{ event: lost, profile: 'me' }]);
    expect((await store.tally('me')).hours).toEqual([{ hour: 0, made: 1, done: 0 }]);
    expect(shared.length).toBe(1);
  });

  it('keeps what could not be stored', async () => {
    const journal = new Journal(storage());
    journal.write({ event: happened(1), profile: 'me' });
    await expect(journal.replay(() => Promise.reject(new Error('full')))).rejects.toThrow('full');
    let found = 0;
    await journal.replay(() => Promise.resolve(void (found += 1)));
    expect(found).toBe(1);
  });

  it('counts once what two pages give to one store', async () => {
    const store = new MemoryStore();
    const waiting = { event: happened(1), profile: 'me' };
    await Promise.all([store.put(waiting), store.put(waiting)]);
    expect((await store.tally('me')).hours).toEqual([{ hour: 0, made: 1, done: 0 }]);
  });

  it('strikes what cannot be read', async () => {
    const shared = storage();
    shared.setItem('rw.event.x', 'torn{');
    await new Journal(shared).replay(() => Promise.reject(new Error('never')));
    expect(shared.length).toBe(0);
  });
});
