import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Connection, pauseMs } from '../src/player/connection.ts';
import { MediaNetwork, Refused } from '../src/player/media-network.ts';
import { MediaUrls } from '../src/player/media-urls.ts';

const A = 'http://a.test/m/t1/';
const B = 'http://b.test/m/t1/';
const SEGMENT = `${A}assets/1/s.m4s`;

type Answer = (address: string, signal: AbortSignal) => Promise<Response>;

const bytes = (): Promise<Response> => Promise.resolve(new Response(new Uint8Array(100), { headers: { 'Content-Length': '100' } }));
const status = (code: number) => (): Promise<Response> => Promise.resolve(new Response('', { status: code }));
const broken = (): Promise<Response> => Promise.reject(new TypeError('Failed to fetch'));
const silent: Answer = (_address, signal) =>
  new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new DOMException('', 'AbortError'))));

class Line {
  readonly asked: string[] = [];
  readonly ranges: (string | null)[] = [];
  readonly source = new EventTarget();
  readonly urls: MediaUrls;
  readonly connection: Connection;
  readonly network: MediaNetwork;
  renewals = 0;
  online = true;
  standing = false;
  private readonly answers: Answer[];

  constructor(answers: Answer[], bases: string[] = [A], renew: () => void = () => undefined) {
    this.answers = answers;
    this.urls = new MediaUrls(bases);
    this.connection = new Connection(this.source, () => this.online);
    const fetcher = ((address: string, init: RequestInit) => {
      this.asked.push(address);
      this.ranges.push(new Headers(init.headers).get('Range'));
      return (this.answers.shift() ?? bytes)(address, init.signal as AbortSignal);
    }) as typeof fetch;
    const renewed = (): Promise<void> => {
      this.renewals += 1;
      renew();
      return Promise.resolve();
    };
    this.network = new MediaNetwork(this.urls, this.connection, renewed, null, () => this.standing, fetcher);
  }

  get(signal: AbortSignal = new AbortController().signal, kind = ''): ReturnType<MediaNetwork['get']> {
    return this.network.get(kind ? `${SEGMENT}?CMCD=br%3D300%2Cot%3D${kind}%2Csid%3D1` : SEGMENT, signal);
  }
}

describe('MediaNetwork', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('brings the bytes, whole', async () => {
    const line = new Line([bytes]);
    expect((await line.get()).data.byteLength).toBe(100);
  });

  it('brings a playlist from an edge at once when the service does not answer, or is too busy to', async () => {
    for (const away of [broken, status(503)]) {
      const line = new Line([away, bytes]);
      line.urls.madeAtEdges(`${A}assets/1/f.m3u8`);
      await line.network.get('/api/v1/playback/sessions/s/v540.m3u8', new AbortController().signal);
      expect(line.asked).toEqual(['/api/v1/playback/sessions/s/v540.m3u8', `${A}assets/1/f.v540.m3u8`]);
    }
  });

  it('lets the picture have the line when the film stands still and the sound has its segment', async () => {
    const line = new Line([bytes, silent, bytes]);
    line.standing = true;
    await line.get(undefined, 'a');
    const picture = new AbortController();
    const seen = line.get(picture.signal, 'v').catch(() => null);
    const sound = line.get(undefined, 'a');
    await vi.advanceTimersByTimeAsync(1000);
    expect(line.asked.length).toBe(2);
    picture.abort();
    await seen;
    expect((await sound).status).toBe(200);
  });

  it('does not hold back what is no longer wanted, nor anything while the film plays', async () => {
    const line = new Line([bytes, silent]);
    line.standing = true;
    await line.get(undefined, 'a');
    void line.get(undefined, 'v');
    const unwanted = new AbortController();
    const sound = line.get(unwanted.signal, 'a');
    unwanted.abort();
    await expect(sound).rejects.toThrow();
    line.standing = false;
    expect((await line.get(undefined, 'a')).status).toBe(200);
  });

  it('goes to another edge at once when one fails', async () => {
    const line = new Line([broken, bytes], [A, B]);
    await line.get();
    expect(line.asked).toEqual([SEGMENT, `${B}assets/1/s.m4s`]);
  });

  it('never gives up while the network is away, and waits at most half a second between attempts', async () => {
    const line = new Line(Array.from({ length: 200 }, () => broken));
    const got = line.get();
    await vi.advanceTimersByTimeAsync(200 * 500);
    expect((await got).status).toBe(200);
    expect(line.asked.length).toBe(201);
    expect(line.connection.trouble).toBe('none');
  });

  it('tries at once when the browser says that the network is back', async () => {
    const line = new Line(Array.from({ length: 12 }, () => broken));
    const got = line.get();
    await vi.advanceTimersByTimeAsync(3000);
    const before = line.asked.length;
    line.source.dispatchEvent(new Event('online'));
    await vi.advanceTimersByTimeAsync(0);
    expect(line.asked.length).toBe(before + 1);
    await vi.advanceTimersByTimeAsync(10_000);
    await got;
  });

  it('starts a request anew that hangs when the network comes back', async () => {
    const line = new Line([silent, bytes]);
    const got = line.get();
    await vi.advanceTimersByTimeAsync(1000);
    line.source.dispatchEvent(new Event('online'));
    await vi.advanceTimersByTimeAsync(1000);
    expect((await got).status).toBe(200);
  });

  it('does not wait for ever for an edge that accepts and says nothing', async () => {
    const line = new Line([silent, bytes], [A, B]);
    const got = line.get();
    await vi.advanceTimersByTimeAsync(8000);
    await got;
    expect(line.asked[1]).toContain('b.test');
  });

  it('asks for a fresh signature when one has expired, once for all who wait', async () => {
    const line: Line = new Line([status(403), status(403), bytes, bytes], [A], () => line.urls.renew(['http://a.test/m/t2/']));
    await Promise.all([line.get(), line.get()]);
    expect(line.renewals).toBe(1);
    expect(line.asked.slice(2)).toEqual(['http://a.test/m/t2/assets/1/s.m4s', 'http://a.test/m/t2/assets/1/s.m4s']);
  });

  it('ends when the service goes on refusing', async () => {
    const line = new Line(Array.from({ length: 10 }, () => status(404)));
    await expect(line.get()).rejects.toBeInstanceOf(Refused);
    expect(line.asked.length).toBe(3);
  });

  it('does not take half an answer for a whole one', async () => {
    const half: Answer = () => Promise.resolve(new Response(new Uint8Array(50), { headers: { 'Content-Length': '100' } }));
    const line = new Line([half, bytes]);
    const got = line.get();
    await vi.advanceTimersByTimeAsync(2000);
    expect((await got).data.byteLength).toBe(100);
  });

  it('goes on where it was cut off, also at another edge', async () => {
    const film = Uint8Array.from({ length: 100 }, (_, at) => at);
    const half: Answer = () => Promise.resolve(new Response(film.slice(0, 40), { headers: { 'Content-Length': '100' } }));
    const rest: Answer = () => Promise.resolve(new Response(film.slice(40), { status: 206, headers: { 'Content-Length': '60' } }));
    const line = new Line([half, rest], [A, B]);
    const { data } = await line.get();
    expect(new Uint8Array(data)).toEqual(film);
    expect(line.ranges).toEqual([null, 'bytes=40-']);
  });

  it('begins anew where an edge knows no ranges, or the range is refused', async () => {
    const half: Answer = () => Promise.resolve(new Response(new Uint8Array(40), { headers: { 'Content-Length': '100' } }));
    const line = new Line([half, status(416), bytes], [A, B]);
    expect((await line.get()).data.byteLength).toBe(100);
    expect(line.ranges).toEqual([null, 'bytes=40-', null]);
  });

  it('ends all pauses when one request gets through', async () => {
    const line = new Line(Array.from({ length: 8 }, () => broken));
    const got = line.get();
    await vi.advanceTimersByTimeAsync(1000);
    const before = line.asked.length;
    line.connection.reached();
    await vi.advanceTimersByTimeAsync(0);
    expect(line.asked.length).toBe(before + 1);
    await vi.advanceTimersByTimeAsync(10_000);
    await got;
  });

  it('waits as long as a busy service asks for', async () => {
    const busy: Answer = () => Promise.resolve(new Response('', { status: 503, headers: { 'Retry-After': '7' } }));
    const line = new Line([busy]);
    const got = line.get();
    await vi.advanceTimersByTimeAsync(6900);
    expect(line.asked.length).toBe(1);
    await vi.advanceTimersByTimeAsync(200);
    await got;
  });

  it('stops when nobody wants the bytes any more', async () => {
    const control = new AbortController();
    const line = new Line([broken, broken]);
    const got = line.get(control.signal);
    const failed = expect(got).rejects.toThrow();
    await vi.advanceTimersByTimeAsync(10);
    control.abort();
    await failed;
    expect(line.asked.length).toBe(1);
  });
});

describe('pauseMs', () => {
  it('doubles, and is capped', () => {
    const plain = [0, 1, 2, 3, 4, 50].map((attempt) => pauseMs(attempt, 1));
    expect(plain).toEqual([250, 500, 500, 500, 500, 500]);
  });

  it('is spread by half, so that players do not come back in step', () => {
    expect(pauseMs(10, 0)).toBe(250);
  });
});
