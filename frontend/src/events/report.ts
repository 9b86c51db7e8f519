import { call, caller } from '../api.ts';
import { watchingProfile } from '../preferences.ts';
import { newId } from './id.ts';
import { Journal } from './journal.ts';
import { EventQueue, type Store, type Verdict, type ViewerEvent } from './queue.ts';
import { DeviceStore, MemoryStore } from './store.ts';
import type { Tally } from './tally.ts';

const PATH = '/api/v1/events';

type Told<E> = E extends ViewerEvent ? Omit<E, 'id' | 'at_ms'> : never;

/** An event of any type, before it is stamped with id and time. */
export type Happening = Told<ViewerEvent>;

const journal = new Journal(localStorage);
let queue: Promise<EventQueue> | null = null;
let opened: EventQueue | null = null;

/** The page's queue of events. */
export function events(): Promise<EventQueue> {
  queue ??= openStore().then(async (store) => {
    await journal.replay((waiting) => store.put(waiting)).catch(() => undefined); // what is not kept stays written
    const made = new EventQueue(store, send, profile);
    opened = made;
    window.addEventListener('online', () => made.hurry());
    return made;
  });
  return queue;
}

/** Send what waits on the device. */
export async function tellWaiting(): Promise<void> {
  if (watchingProfile()) await (await events()).flush();
}

/** Report that something happened now. */
export async function report(happening: Happening, soonMs?: number): Promise<void> {
  await keep(stamped(happening), soonMs);
}

/**
 * Report while the page goes away: at once, by a request that outlives it, and also by the next page, in case that
 * request is lost; the service knows an id that it has seen. No database: its answer would come to nobody.
 */
export function reportLeaving(happening: Happening): void {
  const event = stamped(happening);
  note(event);
  const sender = opened?.senderOf(watchingProfile());
  if (!sender) return; // nothing was sent from here yet: the queue will
  void call('POST', PATH, batchOf([event], { sender, hours: [] }), { keepalive: true }).catch(() => undefined);
}

function note(event: ViewerEvent): void {
  const watching = watchingProfile();
  if (watching) journal.write({ event, profile: watching });
}

async function keep(event: ViewerEvent, soonMs?: number): Promise<void> {
  note(event);
  await (await events()).add(event, soonMs);
  journal.strike(event.id);
}

/** What is sent says what the clock here is: the service corrects the events' times by the difference to its own. */
function batchOf(batch: ViewerEvent[], tally: Tally): { events: ViewerEvent[]; sent_ms: number; tally: Tally } {
  return { events: batch, sent_ms: Date.now(), tally };
}

function stamped(happening: Happening): ViewerEvent {
  const at_ms = Date.now();
  return { id: newId(at_ms), at_ms, ...happening } as ViewerEvent;
}

async function openStore(): Promise<Store> {
  try {
    return await DeviceStore.open();
  } catch {
    return new MemoryStore();
  }
}

async function send(batch: ViewerEvent[], tally: Tally): Promise<Verdict[]> {
  const answer = await call<{ verdicts: Verdict[] }>('POST', PATH, batchOf(batch, tally));
  for (const verdict of answer.verdicts) {
    if (verdict.status === 'failed') console.warn(`event ${verdict.id} was refused: ${verdict.reason ?? ''}`);
  }
  return answer.verdicts;
}

async function profile(): Promise<string | null> {
  try {
    return (await caller()).profile_id;
  } catch {
    return watchingProfile() || null;
  }
}
