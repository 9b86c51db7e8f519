import { describe, expect, it } from 'vitest';
import { Problem } from '../src/api.ts';
import { Flags } from '../src/flags.ts';

const SHARE = { key: 'player.start_share', value: 0.6, variant: 'cautious', reason: 'SPLIT', metadata: { experiment: 'player-start' } };
const ROWS = { key: 'rows', value: 8, variant: 'default', reason: 'DEFAULT' };
const BROKEN = { key: 'broken', errorCode: 'GENERAL', errorDetails: 'no' };

/** A service with these answers, one after the other, and what it was asked. */
function service(...answers: (Response | Error)[]): { flags: Flags; asked: { path: string; init: RequestInit }[] } {
  const asked: { path: string; init: RequestInit }[] = [];
  const get = (path: unknown, init?: RequestInit): Promise<Response> => {
    asked.push({ path: String(path), init: init ?? {} });
    const next = answers.shift();
    return next instanceof Response ? Promise.resolve(next) : Promise.reject(next ?? new Error('asked once too often'));
  };
  return { flags: new Flags(get as typeof fetch, () => Promise.resolve({ profile_id: 'p1', csrf: 'c' })), asked };
}

const answer = (flags: unknown, etag = '"1"'): Response =>
  new Response(JSON.stringify({ flags }), { status: 200, headers: { ETag: etag } });

describe('Flags', () => {
  it('reads all flags for the profile in one request', async () => {
    const { flags, asked } = service(answer([SHARE, ROWS, BROKEN, null, 7, { key: 3 }]));
    expect(await flags.refresh({ device: 'tv' })).toBe(true);
    expect(asked[0]?.path).toBe('/ofrep/v1/evaluate/flags');
    expect(JSON.parse(String(asked[0]?.init.body))).toEqual({ context: { targetingKey: 'p1', device: 'tv' } });
    expect((asked[0]?.init.headers as Record<string, string>)['X-CSRF-Token']).toBe('c');
    expect(flags.value('player.start_share', 1)).toBe(0.6);
    expect(flags.chosen).toEqual([SHARE]);
  });

  it('gives the fallback for what is unknown, failed or of another type', async () => {
    const { flags } = service(answer([SHARE, BROKEN]));
    expect(flags.value('player.start_share', 1)).toBe(1);
    await flags.refresh();
    expect([flags.value('none', 'x'), flags.value('broken', true), flags.value('player.start_share', 'x')]).toEqual(['x', true, 'x']);
  });

  it('asks with the tag of the last answer, and keeps it when nothing changed', async () => {
    const { flags, asked } = service(answer([SHARE]), new Response(null, { status: 304 }), answer([ROWS], '"2"'));
    await flags.refresh();
    expect(await flags.refresh()).toBe(false);
    expect((asked[1]?.init.headers as Record<string, string>)['If-None-Match']).toBe('"1"');
    expect(flags.value('player.start_share', 1)).toBe(0.6);
    await flags.refresh();
    expect(flags.chosen).toEqual([]);
  });

  it('keeps what was known when the service refuses, is gone or says nonsense', async () => {
    const { flags } = service(answer([SHARE]), new Response('busy', { status: 503 }), new TypeError('gone'), answer('x'));
    await flags.refresh();
    await expect(flags.refresh()).rejects.toBeInstanceOf(Problem);
    await expect(flags.refresh()).rejects.toBeInstanceOf(TypeError);
    await expect(flags.refresh()).rejects.toBeInstanceOf(Problem);
    expect(flags.value('player.start_share', 1)).toBe(0.6);
  });
});
