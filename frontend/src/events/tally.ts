/** What this device says it has sent, an hour: the service holds against it what came. See docs/reference/events.md. */

import { madeMs, newId } from './id.ts';

export interface TallyHour {
  /** Hours since the epoch, as the events' ids tell it. */
  hour: number;
  made: number;
  /** Of these, those that wait here no longer. */
  done: number;
}

export interface Tally {
  /** This device and profile, under a name that tells neither. */
  sender: string;
  hours: TallyHour[];
}

/** An hour's account as it is kept, with what the service has heard of it. */
export interface TallyRow extends TallyHour {
  owner: string;
  toldMade: number;
  toldDone: number;
}

const HOURS_MOST = 48;
const FINISHED_H = 2;

/** The hour that an event counts for. */
export const hourOf = (id: string): number => Math.floor(madeMs(id) / 3_600_000);

/** Whose events come from here: random, and another for each profile. */
export const newSender = (): string => newId(0);

export const emptyRow = (owner: string, hour: number): TallyRow => ({ owner, hour, made: 0, done: 0, toldMade: 0, toldDone: 0 });

/** What the service has not heard yet, oldest first. */
export function untold(sender: string, rows: readonly TallyRow[]): Tally {
  const changed = rows.filter((row) => row.made !== row.toldMade || row.done !== row.toldDone);
  const oldest = changed.sort((a, b) => a.hour - b.hour).slice(0, HOURS_MOST);
  return { sender, hours: oldest.map(({ hour, made, done }) => ({ hour, made, done })) };
}

/** The row once the service has heard of it; null when nothing more will be said of that hour. */
export function toldRow(row: TallyRow, told: TallyHour, nowMs: number): TallyRow | null {
  const heard = { ...row, toldMade: Math.max(row.toldMade, told.made), toldDone: Math.max(row.toldDone, told.done) };
  const isOver = row.hour < Math.floor(nowMs / 3_600_000) - FINISHED_H;
  return isOver && row.made === row.done && heard.toldDone === row.done && heard.toldMade === row.made ? null : heard;
}
