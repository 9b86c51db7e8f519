import { afterEach, describe, expect, it, vi } from 'vitest';
import { listen, Problem } from '../src/api.ts';

const bytes = new TextEncoder();

function answers(parts: Uint8Array[], status = 200): void {
  const body = new ReadableStream<Uint8Array>({
    start(stream) {
      for (const part of parts) stream.enqueue(part);
      stream.close();
    },
  });
  vi.stubGlobal('document', { querySelector: () => ({ content: 'token' }) });
  vi.stubGlobal('fetch', () => Promise.resolve(new Response(body, { status })));
}

describe('messages that answer a POST', () => {
  afterEach(() => vi.unstubAllGlobals());

  it('are the same wherever the network cuts them, also inside a letter', async () => {
    const whole = bytes.encode('data: {"more":"für"}\n\n: still here\n\ndata: {"asks":"Why?"}\n\n');
    for (let at = 0; at <= whole.length; at++) {
      answers([whole.slice(0, at), whole.slice(at)]);
      const heard: unknown[] = [];
      await listen('/words', (one) => heard.push(one), new AbortController().signal);
      expect(heard).toEqual([{ more: 'für' }, { asks: 'Why?' }]);
    }
  });

  it('leave out one that breaks off', async () => {
    answers([bytes.encode('data: {"more":"a"}\n\ndata: {"mo')]);
    const heard: unknown[] = [];
    await listen('/words', (one) => heard.push(one), new AbortController().signal);
    expect(heard).toEqual([{ more: 'a' }]);
  });

  it('are refused with the problem that the service tells', async () => {
    answers([bytes.encode('{"type":"/problems/turn-moved","detail":"reload"}')], 409);
    await expect(listen('/words', () => undefined, new AbortController().signal)).rejects.toBeInstanceOf(Problem);
  });
});
