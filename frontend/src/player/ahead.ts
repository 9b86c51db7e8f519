import type { PlaybackSession } from './contract.ts';
import { MediaUrls } from './media-urls.ts';

/** shaka-player begins with the best variant below this share of its estimate (`abr.bandwidthDowngradeTarget`). */
const USED_SHARE = 0.95;

/** Something that came before it was asked for. */
export interface Early {
  data: ArrayBuffer;
  address: string;
  elapsedMs: number;
}

/**
 * Fetches what playback begins with while the player's code is still on its way: manifests, then the first segment of
 * picture and sound. A failure costs nothing: the player then asks for itself.
 */
export class Ahead {
  private readonly fetched = new Map<string, Promise<Early | null>>();
  private readonly fetcher: typeof fetch;

  constructor(fetcher: typeof fetch = (...given) => fetch(...given)) {
    this.fetcher = fetcher;
  }

  /** Fetch what is needed to begin at `startS`. */
  async start(session: PlaybackSession, startS: number, estimateBps: number): Promise<void> {
    const master = await this.get(session.hls_url);
    if (master) await Promise.all(firstPlaylists(textOf(master), estimateBps).map((address) => this.track(address, startS)));
  }

  private async track(address: string, startS: number): Promise<void> {
    const playlist = await this.get(address);
    if (playlist) for (const segment of firstSegments(textOf(playlist), startS)) void this.get(segment);
  }

  /** What was fetched for this address, once; undefined when nothing was. */
  take(address: string): Promise<Early | null> | undefined {
    const key = keyOf(address);
    const found = this.fetched.get(key);
    this.fetched.delete(key);
    return found;
  }

  private get(address: string): Promise<Early | null> {
    const began = performance.now();
    const got = this.fetcher(address, { credentials: MediaUrls.isMedia(address) ? 'include' : 'same-origin' })
      .then(async (response) => {
        if (!response.ok) return null;
        const data = await response.arrayBuffer();
        return { data, address: response.url, elapsedMs: performance.now() - began };
      })
      .catch(() => null);
    this.fetched.set(keyOf(address), got);
    return got;
  }
}

/** The playlists of picture and sound that playback begins with, of a multivariant playlist. */
export function firstPlaylists(master: string, estimateBps: number): string[] {
  const lines = master.split('\n');
  const variants = lines.flatMap((line, index) => {
    const bandwidth = Number(/^#EXT-X-STREAM-INF:(?:.*,)?BANDWIDTH=(\d+)/.exec(line)?.[1]);
    const address = lines[index + 1];
    return bandwidth && address ? [{ bandwidth, address, group: /AUDIO="([^"]*)"/.exec(line)?.[1] }] : [];
  });
  variants.sort((a, b) => a.bandwidth - b.bandwidth);
  const chosen = variants.filter((variant) => variant.bandwidth <= estimateBps * USED_SHARE).pop() ?? variants[0];
  if (!chosen) return [];
  const sounds = lines.filter((line) => line.startsWith('#EXT-X-MEDIA:TYPE=AUDIO') && line.includes(`GROUP-ID="${chosen.group ?? ''}"`));
  const sound = sounds.find((line) => line.includes('DEFAULT=YES')) ?? sounds[0];
  const address = /URI="([^"]*)"/.exec(sound ?? '')?.[1];
  return address ? [chosen.address, address] : [chosen.address];
}

/** The initialisation segment and the segment of a moment, of a media playlist. */
export function firstSegments(playlist: string, startS: number): string[] {
  const map = /^#EXT-X-MAP:URI="([^"]*)"/m.exec(playlist)?.[1];
  const segments = [...playlist.matchAll(/^#EXTINF:([\d.]+),\s*\n(\S+)/gm)];
  let endS = 0;
  const wanted = segments.find((segment) => (endS += Number(segment[1])) > startS);
  return [map, wanted?.[2]].filter((address) => address !== undefined);
}

function textOf(early: Early): string {
  return new TextDecoder().decode(early.data);
}

/** One address however it is written, and whatever is measured in its query. */
function keyOf(address: string): string {
  const url = new URL(address, location.href);
  url.searchParams.delete('CMCD');
  return url.href;
}
