import { Ahead } from './ahead.ts';
import { thisDevice } from './capabilities.ts';
import { Connection } from './connection.ts';
import type { Device } from './contract.ts';
import { gather, startEstimate } from './estimate.ts';
import { LiveSession } from './session.ts';

/** A playback session that has begun, before the player's code is here: on a slow line every round trip counts. */
export interface Beginning {
  session: LiveSession;
  device: Device;
  ahead: Ahead;
  /** When the viewer asked for it, on the page's clock. */
  requestedAt: number;
}

/** The page's way to the service; all players share what is known of it. */
export const connection = new Connection();

let begun: { playableId: string; beginning: Promise<Beginning> } | null = null;

/** Ask for a session now; the player takes it when it is there. */
export function begin(playableId: string, requestedAt: number, startS?: number): void {
  const beginning = open(playableId, requestedAt, new AbortController().signal, startS);
  beginning.catch(() => undefined); // told to whoever takes it
  begun = { playableId, beginning };
}

/** The session that has begun for a playable, or a new one. Throws Problem when the service refuses. */
export function take(playableId: string, signal: AbortSignal): Promise<Beginning> {
  const early = begun?.playableId === playableId ? begun.beginning : null;
  begun = null;
  return early ?? open(playableId, performance.now(), signal);
}

/** Where the page's address says to begin, in seconds. */
export function startOf(search: string): number | undefined {
  const value = Number(new URLSearchParams(search).get('t') ?? Number.NaN);
  return Number.isFinite(value) && value >= 0 ? value : undefined;
}

async function open(playableId: string, requestedAt: number, signal: AbortSignal, startS?: number): Promise<Beginning> {
  const device = thisDevice();
  const session = await LiveSession.open(playableId, device, connection, signal);
  const ahead = new Ahead();
  const estimateBps = startEstimate(gather(), Date.now()) * session.now.start_share;
  if (device.mse) void ahead.start(session.now, startS ?? session.now.resume_s, estimateBps);
  return { session, device, ahead, requestedAt };
}
