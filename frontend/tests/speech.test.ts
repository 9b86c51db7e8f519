import { describe, expect, it } from 'vitest';
import { appended, findRecogniser, finished } from '../src/practice/speech.ts';

const result = (transcript: string, isFinal: boolean) => Object.assign([{ transcript }], { isFinal });

describe('speech', () => {
  it('is found under either name, and not where there is none', () => {
    class Known extends EventTarget {}
    expect(findRecogniser({ SpeechRecognition: Known })).toBe(Known);
    expect(findRecogniser({ webkitSpeechRecognition: Known })).toBe(Known);
    expect(findRecogniser({})).toBeNull();
  });

  it('takes what is finished, since the last event only', () => {
    const results = [result('before', true), result(' a token bucket ', true), result('', true), result('and th', false)];
    expect(finished({ resultIndex: 1, results })).toBe('a token bucket');
    expect(finished({ resultIndex: 9, results })).toBe('');
  });

  it('adds to what was typed and changes none of it', () => {
    expect(appended('', 'one')).toBe('one');
    expect(appended('typed', 'spoken')).toBe('typed spoken');
    expect(appended('typed\n', 'spoken')).toBe('typed\nspoken');
    expect(appended('typed', '')).toBe('typed');
  });
});
