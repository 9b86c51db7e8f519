import { report } from '../events/report.ts';
import { readPreference, watchingProfile, writePreference } from '../preferences.ts';
import { connection } from './beginning.ts';
import { thisDevice } from './capabilities.ts';
import type { PlaybackSession } from './contract.ts';
import { MediaNetwork } from './media-network.ts';
import { LiveSession, StoredSession } from './session.ts';
import { fetchWith, type Shaka } from './shaka-network.ts';

const HIGHEST = 720;
const KEPT_MS = 30 * 86_400_000;
const KEPT_IDS = 'downloads';
const HLS = 'application/x-mpegurl';

/** What is kept beside the film. */
interface Kept {
  session: PlaybackSession;
  name: string;
  /** Who may see it: other profiles of this device are not shown it. */
  profile: string;
  /** A picture, as a data URL; empty where there is none. */
  picture: string;
  untilMs: number;
}

/** A film that is kept on this device. */
export interface Download {
  uri: string;
  bytes: number;
  kept: Kept;
}

interface Track {
  type: string;
  height: number | null;
  bandwidth: number;
}

async function whole(): Promise<Awaited<typeof import('./shaka-whole.ts')>['default']> {
  return (await import('./shaka-whole.ts')).default;
}

/** Whether this browser can keep films, and open their page without a network: it does so over TLS only. */
export function canDownload(): boolean {
  return 'indexedDB' in window && 'serviceWorker' in navigator && thisDevice().mse;
}

/** Whether a film is kept, without asking the store: its code is large. */
export function isKept(playableId: string): boolean {
  return keptIds().includes(playableId);
}

function keptIds(): string[] {
  try {
    const found: unknown = JSON.parse(readPreference(KEPT_IDS) ?? '[]');
    return Array.isArray(found) ? found.map(String) : [];
  } catch {
    return [];
  }
}

/** What the watching profile has on this device; what was kept too long is removed. */
export async function listDownloads(nowMs: number = Date.now()): Promise<Download[]> {
  const shaka = await whole();
  const storage = new shaka.offline.Storage();
  try {
    const every = (await storage.list()).flatMap(({ offlineUri, size, appMetadata, isIncomplete }) =>
      offlineUri && appMetadata && !isIncomplete ? [{ uri: offlineUri, bytes: size, kept: appMetadata as unknown as Kept }] : [],
    );
    for (const old of every.filter(({ kept }) => kept.untilMs < nowMs)) await storage.remove(old.uri);
    const own = every.filter(({ kept }) => kept.untilMs >= nowMs && kept.profile === watchingProfile());
    writePreference(KEPT_IDS, own.map(({ kept }) => kept.session.playable_id));
    return own;
  } finally {
    await storage.destroy();
  }
}

/** Keep a film on this device. `progress` is told the share that has come, 0 to 1. Throws Problem, or on a full disk. */
export async function download(playableId: string, name: string, progress: (share: number) => void, signal: AbortSignal): Promise<void> {
  const shaka = await whole();
  const session = await LiveSession.open(playableId, thisDevice(), connection, signal);
  if (!session.now.complete) throw new Error('It is still being prepared; download it when it is whole.');
  fetchWith(shaka as unknown as Shaka, new MediaNetwork(session.urls, connection, () => session.renew(signal)));
  const storage = new shaka.offline.Storage();
  try {
    storage.configure({
      offline: { trackSelectionCallback: (tracks: Track[]) => Promise.resolve(chooseTracks(tracks)), progressCallback: (_: unknown, share: number) => progress(share) },
    });
    const kept: Kept = {
      session: { ...session.now, media_bases: [], thumbnails: null, next: null },
      name,
      profile: watchingProfile(),
      picture: await pictureOf(playableId),
      untilMs: Date.now() + KEPT_MS,
    };
    const stored = storage.store(new URL(session.now.hls_url, location.href).href, kept, HLS);
    signal.addEventListener('abort', () => void stored.abort());
    await stored.promise;
    writePreference(KEPT_IDS, [...new Set([...keptIds(), playableId])]);
    noteLeft(playableId, session.now.resume_s);
    tell(kept, 'kept');
  } finally {
    session.end();
    await storage.destroy();
  }
}

/** Remove a film from this device. */
export async function removeDownload({ uri, kept }: Download): Promise<void> {
  const shaka = await whole();
  const storage = new shaka.offline.Storage();
  try {
    await storage.remove(uri);
    writePreference(KEPT_IDS, keptIds().filter((id) => id !== kept.session.playable_id));
    tell(kept, 'removed');
  } finally {
    await storage.destroy();
  }
}

/** Note where a kept film was left: on the next journey the service, which was told, cannot be asked. */
export function noteLeft(playableId: string, positionS: number): void {
  if (isKept(playableId)) writePreference(leftAt(playableId), positionS);
}

function leftAt(playableId: string): string {
  return `left.${playableId}`;
}

/** What the player needs to play it. */
export function sessionOf({ uri, kept }: Download): StoredSession {
  const left = Number(readPreference(leftAt(kept.session.playable_id)) ?? kept.session.resume_s);
  return new StoredSession({ ...kept.session, id: '', complete: true, resume_s: left }, uri);
}

/** One picture of at most 720 lines with its sound, and every subtitle. */
export function chooseTracks<T extends Track>(tracks: readonly T[]): T[] {
  const variants = tracks.filter((track) => track.type === 'variant').sort((a, b) => b.bandwidth - a.bandwidth);
  const best = variants.find((track) => (track.height ?? 0) <= HIGHEST) ?? variants.at(-1);
  return [...(best ? [best] : []), ...tracks.filter((track) => track.type === 'text')];
}

function tell(kept: Kept, state: string): void {
  void report({ type: 'download', title_id: kept.session.title_id, playable_id: kept.session.playable_id, data: { state } });
}

async function pictureOf(playableId: string): Promise<string> {
  try {
    const response = await fetch(`/art/${playableId}/still`);
    if (!response.ok) return '';
    const blob = await response.blob();
    return await new Promise((resolve) => {
      const reader = new FileReader();
      reader.onload = () => resolve(String(reader.result));
      reader.onerror = () => resolve('');
      reader.readAsDataURL(blob);
    });
  } catch {
    return '';
  }
}
