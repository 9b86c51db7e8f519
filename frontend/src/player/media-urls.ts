import type { Felt, Steering } from './contract.ts';

const MEDIA = /^(.*?)\/m\/[^/?#]+\/(assets\/.*)$/;
const MANIFEST = /(\/api\/v1\/playback\/sessions\/)[^/?#]+/;
const PLAYLIST = /\/api\/v1\/playback\/sessions\/[^/?#]+\/([^/?#]+)\.m3u8/;
const AVOIDED_MS = 30_000;
/** A pathway that is no edge's, so that a steering document says of every edge where it is. */
const NO_EDGE = 'this-player';
const FELT_MOST = 8;

/**
 * Where media is fetched now. Manifests were written with signatures and edges of their time; every request goes to the
 * newest signature at the best edge that has not failed lately. Playlists are the service's; while that is away they
 * are the edges' own, which lie beside the media under the same signature.
 */
export class MediaUrls {
  private bases: string[];
  private sessionId = '';
  /** The edges' own playlists without their suffix, below a base; empty where there are none. */
  private stem = '';
  private awayAt = -Infinity;
  private readonly failedAt = new Map<string, number>();
  private readonly felt = new Map<string, boolean>();
  private readonly now: () => number;

  constructor(bases: readonly string[], now: () => number = () => Date.now()) {
    this.bases = [...bases];
    this.now = now;
  }

  /** Take fresh signatures, and another session where the old one was forgotten; the service is there. */
  renew(bases: readonly string[], sessionId = ''): void {
    if (bases.length > 0) this.bases = [...bases];
    this.sessionId = sessionId || this.sessionId;
    this.awayAt = -Infinity;
  }

  /** Where an edge has the playlist that it makes by itself; all edges have it under that name. */
  madeAtEdges(address: string): void {
    this.stem = MEDIA.exec(address)?.[2]?.replace(/\.m3u8$/, '') ?? '';
  }

  /** Where an edge says which edges are best; empty where it does not. */
  steering(): string {
    return this.stem ? `${this.best()}${this.stem.replace(/[^/]*$/, '')}steering.json?known=${NO_EDGE}` : '';
  }

  /** Take the edges in the order of the document that was `asked` for. */
  steer(asked: string, said: Steering): void {
    const base = asked.slice(0, asked.indexOf('assets/'));
    const hosts = new Map((said['PATHWAY-CLONES'] ?? []).map((one) => [one.ID, one['URI-REPLACEMENT'].HOST]));
    const named = said['PATHWAY-PRIORITY'].map((name) => hosts.get(name)).filter((host) => host !== undefined);
    if (named.length > 0) this.bases = named.map((host) => base.replace(/\/\/[^/]+/, `//${host}`));
  }

  /** The address to fetch now instead of `uri`. */
  current(uri: string): string {
    const found = MEDIA.exec(uri);
    if (found?.[2] !== undefined) return this.best() + found[2];
    return this.atEdge(uri) ?? (this.sessionId ? uri.replace(MANIFEST, `$1${this.sessionId}`) : uri);
  }

  /** Below the best base: for names that come without one, as pictures do. */
  address(name: string): string {
    return this.best() + name;
  }

  /** Avoid the edge of this address for a while, or the service. */
  failed(address: string): void {
    if (PLAYLIST.test(address)) this.awayAt = this.now();
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

  /** What was taken could not be told; what was felt since counts. */
  keepFelt(taken: Felt): void {
    const kept = [...taken.worked.map((edge) => [edge, true] as const), ...taken.failed.map((edge) => [edge, false] as const)];
    for (const [edge, found] of kept) if (!this.felt.has(edge)) this.felt.set(edge, found);
  }

  /** Whether another edge than this address's has not failed lately, or any has what the service does not give. */
  hasOther(address: string): boolean {
    if (!MediaUrls.isMedia(address)) return this.atEdge(address) !== null;
    return this.bases.some((base) => edgeOf(base) !== edgeOf(address) && !this.avoided(base));
  }

  /** Whether an address is media rather than a manifest. */
  static isMedia(uri: string): boolean {
    return MEDIA.test(uri);
  }

  private atEdge(uri: string): string | null {
    const name = PLAYLIST.exec(uri)?.[1];
    if (!name || !this.stem || this.now() - this.awayAt >= AVOIDED_MS) return null;
    const base = this.bases.find((one) => !this.avoided(one));
    return base ? `${base}${this.stem}${name === 'master' ? '' : `.${name}`}.m3u8` : null;
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
