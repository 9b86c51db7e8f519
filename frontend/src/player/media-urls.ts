import type { Felt } from './contract.ts';

const MEDIA = /^(.*?)\/m\/[^/?#]+\/(assets\/.*)$/;
const MANIFEST = /(\/api\/v1\/playback\/sessions\/)[^/?#]+/;
const AVOIDED_MS = 30_000;
const FELT_MOST = 8;

/**
 * Where media is fetched now. Manifests were written with signatures and edges of their time; every request goes to the
 * newest signature at the best edge that has not failed lately.
 */
export class MediaUrls {
  private bases: string[];
  private sessionId = '';
  private readonly failedAt = new Map<string, number>();
  private readonly felt = new Map<string, boolean>();
  private readonly now: () => number;

  constructor(bases: readonly string[], now: () => number = () => Date.now()) {
    this.bases = [...bases];
    this.now = now;
  }

  /** Take fresh signatures, and another session where the old one was forgotten. */
  renew(bases: readonly string[], sessionId = ''): void {
    if (bases.length > 0) this.bases = [...bases];
    this.sessionId = sessionId || this.sessionId;
  }

  /** The address to fetch now instead of `uri`. */
  current(uri: string): string {
    const found = MEDIA.exec(uri);
    if (found?.[2] !== undefined) return this.best() + found[2];
    return this.sessionId ? uri.replace(MANIFEST, `$1${this.sessionId}`) : uri;
  }

  /** Below the best base: for names that come without one, as pictures do. */
  address(name: string): string {
    return this.best() + name;
  }

  /** Avoid the edge of this address for a while. */
  failed(address: string): void {
    if (!MediaUrls.isMedia(address)) return;
    this.failedAt.set(edgeOf(address), this.now());
    this.felt.set(edgeOf(address), false);
  }

  /** The edge of this address works. */
  worked(address: string): void {
    this.failedAt.delete(edgeOf(address));
    if (MediaUrls.isMedia(address) && !this.felt.has(edgeOf(address))) this.felt.set(edgeOf(address), true);
  }

  /** What was felt of edges since this was last asked. Where nothing worked the fault is our own line's. */
  takeFelt(): Felt {
    const edges = [...this.felt].slice(0, FELT_MOST);
    this.felt.clear();
    const named = (worked: boolean): string[] => edges.filter(([, found]) => found === worked).map(([edge]) => edge);
    const worked = named(true);
    return { worked, failed: worked.length > 0 ? named(false) : [] };
  }

  /** Whether another edge than this address's has not failed lately. */
  hasOther(address: string): boolean {
    return this.bases.some((base) => edgeOf(base) !== edgeOf(address) && !this.avoided(base));
  }

  /** Whether an address is media rather than a manifest. */
  static isMedia(uri: string): boolean {
    return MEDIA.test(uri);
  }

  private best(): string {
    const usable = this.bases.find((base) => !this.avoided(base));
    if (usable !== undefined) return usable;
    const longestAgo = (a: string, b: string) => this.failure(a) - this.failure(b);
    return [...this.bases].sort(longestAgo)[0] ?? '';
  }

  private avoided(base: string): boolean {
    return this.now() - this.failure(base) < AVOIDED_MS;
  }

  private failure(base: string): number {
    return this.failedAt.get(edgeOf(base)) ?? -Infinity;
  }
}

/** An edge's own name in an address: everything before the signature. */
export function edgeOf(address: string): string {
  return MEDIA.exec(address)?.[1] ?? address.replace(/\/m\/[^/]+\/$/, '');
}
