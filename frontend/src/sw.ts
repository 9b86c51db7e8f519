/**
 * The service worker: pages come from the network, and what they are made of from this device. Without a network it
 * shows the page of downloads. Pictures are left to the browser's own cache, which holds them for good; films are
 * kept by the player.
 */

interface LastingEvent extends Event {
  waitUntil(promise: Promise<unknown>): void;
}

interface Condition {
  urlPattern?: { pathname: string };
  requestMode?: string;
  not?: Condition;
  or?: Condition[];
}

interface InstallingEvent extends LastingEvent {
  /** Not in Firefox and WebKit. */
  addRoutes?(rule: { condition: Condition; source: 'network' }): Promise<void>;
}

interface AskingEvent extends LastingEvent {
  request: Request;
  preloadResponse: Promise<Response | undefined>;
  respondWith(response: Promise<Response>): void;
}

interface Worker extends EventTarget {
  skipWaiting(): Promise<void>;
  clients: { claim(): Promise<void> };
  registration: { navigationPreload?: { enable(): Promise<void> } };
}

interface Chunk {
  file: string;
  css?: string[];
  imports?: string[];
}

const worker = self as unknown as Worker;
/** One cache a build: the build writes its own name here, which also makes the worker a new one. */
const SHELL = 'shell-__BUILD__';
const OFFLINE = '/offline';
const BUILT = '/static/assets/';
const ICON = '/static/icon.svg';
const ENTRIES = [
  'src/main.ts',
  'src/elements/rw-downloads.ts',
  'src/player/rw-player.ts',
  'src/player/shaka-hls.ts',
  'src/player/shaka-engine.ts',
  'src/player/controls.ts',
];

worker.addEventListener('install', (event) => (event as LastingEvent).waitUntil(install(event as InstallingEvent)));
worker.addEventListener('activate', (event) => (event as LastingEvent).waitUntil(activate()));
worker.addEventListener('fetch', (event) => answer(event as AskingEvent));

async function install(event: InstallingEvent): Promise<void> {
  await passBy(event).catch(() => undefined); // older browsers know fewer conditions: there every request comes here
  const cache = await caches.open(SHELL);
  await cache.addAll(await shell());
  await worker.skipWaiting();
}

/**
 * What is not answered here goes to the network without asking: when it has to come by here first, Chromium sends the last
 * request of a page that goes away a second later, or never if it is closed by then.
 */
async function passBy(event: InstallingEvent): Promise<void> {
  const paths = [`${BUILT}*`, ICON].map((pathname) => ({ urlPattern: { pathname } }));
  await event.addRoutes?.({ condition: { not: { or: [{ requestMode: 'navigate' }, ...paths] } }, source: 'network' });
}

/** The page of downloads as a stranger sees it, and the files of the pages and the player. */
async function shell(): Promise<(string | Request)[]> {
  const manifest = (await (await fetch('/static/manifest.json')).json()) as Record<string, Chunk | undefined>;
  const files = new Set<string>();
  const waiting = [...ENTRIES];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    const chunk = manifest[name];
    if (!chunk || files.has(chunk.file)) continue;
    files.add(chunk.file);
    for (const style of chunk.css ?? []) files.add(style);
    waiting.push(...(chunk.imports ?? []));
  }
  return [new Request(OFFLINE, { credentials: 'omit' }), ICON, ...[...files].map((file) => `/static/${file}`)];
}

async function activate(): Promise<void> {
  for (const name of await caches.keys()) if (name !== SHELL) await caches.delete(name);
  await worker.registration.navigationPreload?.enable();
  await worker.clients.claim();
}

function answer(event: AskingEvent): void {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== location.origin) return;
  if (request.mode === 'navigate') event.respondWith(page(event));
  else if (url.pathname.startsWith(BUILT)) event.respondWith(file(event));
  else if (url.pathname === ICON) event.respondWith(networkFirst(request));
}

async function page(event: AskingEvent): Promise<Response> {
  try {
    const preloaded = await event.preloadResponse;
    if (preloaded && preloaded.type !== 'error') return preloaded; // Firefox gives one of this type where others throw
    return await fetch(event.request);
  } catch (error) {
    const kept = await caches.match(OFFLINE);
    if (kept) return kept;
    throw error;
  }
}

/** A built file's name says what is in it: what is here is right. */
async function file(event: AskingEvent): Promise<Response> {
  const { request } = event;
  const kept = await caches.match(request);
  if (kept) return kept;
  const response = await fetch(request);
  if (response.ok) event.waitUntil(keep(request, response.clone()));
  return response;
}

async function networkFirst(request: Request): Promise<Response> {
  try {
    return await fetch(request);
  } catch (error) {
    const kept = await caches.match(request);
    if (kept) return kept;
    throw error;
  }
}

async function keep(request: Request, response: Response): Promise<void> {
  const cache = await caches.open(SHELL);
  await cache.put(request, response);
}

export {};
