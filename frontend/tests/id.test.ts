import { describe, expect, it } from 'vitest';
import { newId } from '../src/events/id.ts';

describe('newId', () => {
  it('makes 26 characters of the alphabet that the collector takes', () => {
    for (let i = 0; i < 200; i++) expect(newId()).toMatch(/^[0-9a-hjkmnp-tv-z]{26}$/);
  });

  it('sorts by time', () => {
    expect(newId(1_000) < newId(1_001)).toBe(true);
  });

  it('equals the service\'s own for the same time and entropy', () => {
    // kernel.ids.new_id(entropy=1) at 1 ms after the epoch
    const entropy = new Uint8Array(10);
    entropy[9] = 1;
    expect(newId(1, entropy)).toBe('00000000010000000000000001');
  });
});
