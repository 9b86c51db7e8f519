import type { ThumbnailOffer } from './contract.ts';

/** Fetches trick-play sheets when they are first wanted, and keeps a WebVTT track of what has come so far. */
export class Thumbnails {
  /** The address of the track; empty until there is a sheet. */
  track = '';
  private readonly offer: ThumbnailOffer;
  private readonly durationS: number;
  private readonly fetchSheet: (name: string) => Promise<ArrayBuffer>;
  private readonly changed: () => void;
  private readonly sheets = new Map<string, string>();
  private loading: Promise<void> | null = null;

  constructor(offer: ThumbnailOffer, durationS: number, fetchSheet: (name: string) => Promise<ArrayBuffer>, changed: () => void) {
    this.offer = offer;
    this.durationS = durationS;
    this.fetchSheet = fetchSheet;
    this.changed = changed;
  }

  /** Get the sheets, one after the other: the film itself goes first. */
  load(): Promise<void> {
    this.loading ??= this.loadAll();
    return this.loading;
  }

  /** Give the memory back. */
  close(): void {
    for (const address of [this.track, ...this.sheets.values()]) URL.revokeObjectURL(address);
    this.track = '';
  }

  private async loadAll(): Promise<void> {
    for (const name of this.offer.names) {
      const data = await this.fetchSheet(name);
      this.sheets.set(name, URL.createObjectURL(new Blob([data], { type: 'image/jpeg' })));
      URL.revokeObjectURL(this.track);
      const text = thumbnailTrack(this.offer, this.durationS, (wanted) => this.sheets.get(wanted));
      this.track = URL.createObjectURL(new Blob([text], { type: 'text/vtt' }));
      this.changed();
    }
  }
}

/** A WebVTT file that names, for each moment, the tile of a sheet: what the time range shows above the pointer. */
export function thumbnailTrack(
  offer: ThumbnailOffer,
  durationS: number,
  addressOf: (name: string) => string | undefined,
): string {
  const perSheet = offer.columns * offer.rows;
  const cues = ['WEBVTT'];
  for (let tile = 0; tile * offer.interval_s < durationS; tile++) {
    const name = offer.names[Math.floor(tile / perSheet)];
    if (name === undefined) break;
    const address = addressOf(name);
    if (address === undefined) continue;
    const place = tile % perSheet;
    const x = (place % offer.columns) * offer.tile_width;
    const y = Math.floor(place / offer.columns) * offer.tile_height;
    const start = tile * offer.interval_s;
    const end = Math.min(durationS, start + offer.interval_s);
    const box = `#xywh=${x},${y},${offer.tile_width},${offer.tile_height}`;
    cues.push(`${clock(start)} --> ${clock(end)}\n${address}${box}`);
  }
  return `${cues.join('\n\n')}\n`;
}

function clock(seconds: number): string {
  const ms = Math.round(seconds * 1000);
  const two = (value: number): string => String(value).padStart(2, '0');
  const rest = String(ms % 1000).padStart(3, '0');
  return `${two(Math.floor(ms / 3_600_000))}:${two(Math.floor(ms / 60_000) % 60)}:${two(Math.floor(ms / 1000) % 60)}.${rest}`;
}
