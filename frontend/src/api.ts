/** Calls to the service's own API: JSON both ways, problem+json (RFC 9457) as errors. */

/** What the service answered instead of what was asked for. */
export class Problem extends Error {
  readonly status: number;
  readonly slug: string;
  readonly retryAfterMs: number;

  constructor(status: number, slug: string, detail: string, retryAfterMs = 0) {
    super(detail);
    this.name = 'Problem';
    this.status = status;
    this.slug = slug;
    this.retryAfterMs = retryAfterMs;
  }

  /** Whether the same call may succeed later. */
  get transient(): boolean {
    return this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

/** Who is calling. */
export interface Caller {
  profile_id: string | null;
  csrf: string;
}

let known: Promise<Caller> | null = null;

/** Who is signed in here: the page says it, else the service is asked. */
export function caller(): Promise<Caller> {
  known ??= written() ?? asked();
  return known;
}

/** Ask the service anew who is calling: the session may have changed in another tab. */
export function refreshCaller(): Promise<Caller> {
  known = asked();
  return known;
}

function written(): Promise<Caller> | null {
  const csrf = meta('csrf');
  return csrf ? Promise.resolve({ csrf, profile_id: meta('profile') || null }) : null;
}

function asked(): Promise<Caller> {
  return exchange<Caller>('GET', '/api/v1/session').catch((error: unknown) => {
    known = null;
    throw error;
  });
}

function meta(name: string): string {
  return document.querySelector<HTMLMetaElement>(`meta[name=${name}]`)?.content ?? '';
}

export interface CallOptions {
  signal?: AbortSignal;
  /** Let the request outlive the page. */
  keepalive?: boolean;
}

/** Call the API. Throws Problem when it refuses, TypeError when it cannot be reached. */
export async function call<T>(method: string, path: string, body?: unknown, options: CallOptions = {}): Promise<T> {
  const csrf = method === 'GET' ? '' : (await caller()).csrf;
  try {
    return await exchange<T>(method, path, body, csrf, options);
  } catch (error) {
    if (!(error instanceof Problem && error.status === 403 && csrf)) throw error;
    const fresh = (await refreshCaller()).csrf; // signed in anew in another tab: the old value fits no more
    if (fresh === csrf) throw error;
    return await exchange<T>(method, path, body, fresh, options);
  }
}

/** Server-Sent Events that answer a POST, each given to `hear` as soon as it is there. Throws like `call`. */
export async function listen<T>(path: string, hear: (message: T) => void, signal: AbortSignal): Promise<void> {
  const headers = { Accept: 'text/event-stream', 'X-CSRF-Token': (await caller()).csrf };
  const response = await fetch(path, { method: 'POST', headers, credentials: 'same-origin', signal });
  if (!response.ok || !response.body) throw await problemOf(response);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const events = (rest + value).split('\n\n');
    rest = events.pop() ?? '';
    for (const event of events) {
      if (event.startsWith('data: ')) hear(JSON.parse(event.slice(6)) as T);
    }
  }
}

async function exchange<T>(method: string, path: string, body?: unknown, csrf = '', options: CallOptions = {}): Promise<T> {
  const headers: Record<string, string> = { Accept: 'application/json' };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  if (csrf) headers['X-CSRF-Token'] = csrf;
  const response = await fetch(path, {
    method,
    headers,
    credentials: 'same-origin',
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(options.signal ? { signal: options.signal } : {}),
    ...(options.keepalive ? { keepalive: true } : {}),
  });
  if (!response.ok) throw await problemOf(response);
  return (response.status === 204 ? undefined : await response.json()) as T;
}

async function problemOf(response: Response): Promise<Problem> {
  const seconds = Number(response.headers.get('Retry-After') ?? 0);
  const retryAfterMs = Number.isFinite(seconds) ? seconds * 1000 : 0;
  try {
    const document = (await response.json()) as { type?: string; title?: string; detail?: string };
    const slug = document.type?.split('/').pop() ?? '';
    return new Problem(response.status, slug, document.detail ?? document.title ?? response.statusText, retryAfterMs);
  } catch {
    return new Problem(response.status, '', response.statusText || `HTTP ${response.status}`, retryAfterMs);
  }
}
