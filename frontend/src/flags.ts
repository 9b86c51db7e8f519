import { caller, Problem, type Caller } from './api.ts';

const PATH = '/ofrep/v1/evaluate/flags';

/** One flag, as OpenFeature's remote evaluation protocol answers it. */
export interface Flag {
  key: string;
  value?: unknown;
  variant?: string;
  reason?: string;
  metadata?: Record<string, string | number | boolean>;
  errorCode?: string;
}

/** Every flag for whoever is signed in here, by one bulk request; asked again it costs a 304 while nothing changed. */
export class Flags {
  private known = new Map<string, Flag>();
  private etag = '';
  private readonly get: typeof fetch;
  private readonly who: () => Promise<Caller>;

  constructor(get: typeof fetch = (...given) => fetch(...given), who: () => Promise<Caller> = caller) {
    this.get = get;
    this.who = who;
  }

  /** Ask the service; what was known stays when it cannot be reached. Answers whether anything may have changed. */
  async refresh(context: Record<string, unknown> = {}): Promise<boolean> {
    const { csrf, profile_id } = await this.who();
    const headers: Record<string, string> = { Accept: 'application/json', 'Content-Type': 'application/json' };
    if (csrf) headers['X-CSRF-Token'] = csrf;
    if (this.etag) headers['If-None-Match'] = this.etag;
    const body = JSON.stringify({ context: { ...(profile_id ? { targetingKey: profile_id } : {}), ...context } });
    const response = await this.get(PATH, { method: 'POST', credentials: 'same-origin', headers, body });
    if (response.status === 304) return false;
    if (!response.ok) throw new Problem(response.status, 'flags', response.statusText || `HTTP ${response.status}`);
    const document = (await response.json()) as { flags?: unknown };
    if (!Array.isArray(document.flags)) throw new Problem(response.status, 'flags', 'no list of flags');
    this.known = new Map(document.flags.filter(isFlag).map((one) => [one.key, one]));
    this.etag = response.headers.get('ETag') ?? '';
    return true;
  }

  /** A flag's value where it has the type of `fallback`, else `fallback`. */
  value<T extends boolean | number | string>(key: string, fallback: T): T {
    const found = this.known.get(key)?.value;
    return typeof found === typeof fallback ? (found as T) : fallback;
  }

  /** What experiments set for this viewer: each flag with its cell. */
  get chosen(): Flag[] {
    return [...this.known.values()].filter((one) => one.metadata?.['experiment'] !== undefined);
  }
}

function isFlag(one: unknown): one is Flag {
  const flag = one as Flag | null;
  return typeof flag === 'object' && flag !== null && typeof flag.key === 'string' && flag.errorCode === undefined;
}
