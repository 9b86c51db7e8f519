/** How fast segments came: what the rule of the rungs goes by. */

const KEPT = 20;
/** What comes with less is mostly round trip. */
const LEAST_BYTES = 16_000;

interface Arrival {
  request: unknown;
  bytes: number;
  ms: number;
}

export class Arrivals {
  private readonly kept: Arrival[] = [];

  /** A piece of what `request` asked for: pieces of one request are one arrival. */
  note(request: unknown, bytes: number, ms: number): void {
    const known = request === undefined ? undefined : this.kept.find((one) => one.request === request);
    if (known) {
      known.bytes += bytes;
      known.ms += ms;
      return;
    }
    this.kept.push({ request, bytes, ms });
    if (this.kept.length > KEPT) this.kept.shift();
  }

  /** In bits per second, the latest last. */
  speedsBps(): number[] {
    return this.kept.filter((one) => one.bytes >= LEAST_BYTES && one.ms > 0).map((one) => (one.bytes * 8000) / one.ms);
  }
}
