import { describe, expect, it } from 'vitest';
import { Problem } from '../src/api.ts';
import { cueStyle, parseAppearance, PLAIN } from '../src/player/appearance.ts';
import { Arrivals } from '../src/player/arrivals.ts';
import { firstPlaylists, firstSegments } from '../src/player/ahead.ts';
import { describeDevice, deviceName, mediaSourceSupport } from '../src/player/capabilities.ts';
import { startEstimate, type Evidence } from '../src/player/estimate.ts';
import { commandOf, type Key } from '../src/player/keys.ts';
import { asError } from '../src/player/shaka-engine.ts';
import { thumbnailTrack } from '../src/player/thumbnails.ts';
import { mendAbort } from '../src/player/source-buffer.ts';

const key = (name: string, more: Partial<Key> = {}): Key => ({ key: name, shiftKey: false, ctrlKey: false, altKey: false, metaKey: false, ...more });

describe('commandOf', () => {
  it('has a command for every key that the help names', () => {
    const keys = [' ', 'k', 'ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown', 'j', 'l', '+', '-', 'm', 'f', 'c', '<', '>', ',', '.', '0', '9', 'n', '?'];
    for (const name of keys) expect(commandOf(key(name), 'picture'), name).not.toBeNull();
    expect(commandOf(key('D', { shiftKey: true }), 'picture')).toEqual({ do: 'why' });
  });

  it('leaves the space bar and the arrows to controls, and all letters to text fields', () => {
    expect(commandOf(key(' '), 'control')).toBeNull();
    expect(commandOf(key('ArrowLeft'), 'control')).toBeNull();
    expect(commandOf(key('k'), 'control')).toEqual({ do: 'toggle' });
    for (const name of ['k', 'm', '5', '?', ' ', 'ArrowLeft']) expect(commandOf(key(name), 'text'), name).toBeNull();
  });

  it('leaves the browser its own combinations', () => {
    for (const more of [{ ctrlKey: true }, { altKey: true }, { metaKey: true }]) expect(commandOf(key('f', more), 'picture')).toBeNull();
  });

  it('knows remote controls wherever the focus is', () => {
    for (const where of ['picture', 'control', 'text'] as const) expect(commandOf(key('MediaPlayPause'), where)).toEqual({ do: 'toggle' });
    expect(commandOf(key('GoBack'), 'picture')).toEqual({ do: 'leave' });
  });

  it('jumps to tenths', () => {
    expect(commandOf(key('7'), 'picture')).toEqual({ do: 'jump', share: 0.7 });
  });
});

describe('startEstimate', () => {
  const nothing: Evidence = { remembered: null, fetched: [], downlinkBps: null, saveData: false };
  const now = 1e12;

  it('begins at the bottom when nothing is known, also where the browser names only a bound', () => {
    expect(startEstimate(nothing, now)).toBe(250_000);
    expect(startEstimate({ ...nothing, downlinkBps: 10e6 }, now)).toBe(250_000);
  });

  it('believes what was measured lately, with a margin, and not what is old', () => {
    expect(startEstimate({ ...nothing, remembered: { bps: 3e6, atMs: now - 60_000 } }, now)).toBe(2.4e6);
    expect(startEstimate({ ...nothing, remembered: { bps: 3e6, atMs: now - 3_600_000 } }, now)).toBe(250_000);
  });

  it('measures by what this page itself has fetched, and takes the lowest of what it knows', () => {
    const fetched = [{ bytes: 150_000, ms: 2000 }];
    expect(startEstimate({ ...nothing, fetched }, now)).toBe(600_000);
    expect(startEstimate({ ...nothing, fetched, remembered: { bps: 9e6, atMs: now } }, now)).toBe(600_000);
  });

  it('ignores files too small to measure by', () => {
    expect(startEstimate({ ...nothing, fetched: [{ bytes: 12_000, ms: 1 }] }, now)).toBe(250_000);
  });

  it('never begins at the top, nor above the bound, nor when data is to be saved', () => {
    const fast = { bps: 80e6, atMs: now };
    expect(startEstimate({ ...nothing, remembered: fast }, now)).toBe(5e6);
    expect(startEstimate({ ...nothing, remembered: fast, downlinkBps: 1e6 }, now)).toBe(1e6);
    expect(startEstimate({ ...nothing, remembered: fast, saveData: true }, now)).toBe(250_000);
  });
});

describe('describeDevice', () => {
  it('names the codecs that Media Source Extensions take', () => {
    const device = describeDevice((type) => /avc1|mp4a/.test(type), 1080, 'x');
    expect(device).toEqual({ codecs: ['avc1', 'mp4a'], max_height: 1080, mse: true, name: 'x', steers: true });
  });

  it('asks for native playback where there are none', () => {
    expect(mediaSourceSupport({})).toBeNull();
    expect(describeDevice(null, 1170.4, 'iPhone')).toEqual({ codecs: [], max_height: 1171, mse: false, name: 'iPhone', steers: false });
  });

  it('prefers the managed kind that phones have', () => {
    const managed = { isTypeSupported: () => true } as unknown as typeof MediaSource;
    expect(mediaSourceSupport({ ManagedMediaSource: managed })?.('video/mp4')).toBe(true);
  });

  it('has a name for people', () => {
    expect(deviceName('Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36')).toBe('Chrome on Linux');
    expect(deviceName('Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1')).toBe('Safari on iPhone');
  });
});

describe('thumbnailTrack', () => {
  const offer = { names: ['assets/1/a.jpg', 'assets/1/b.jpg'], columns: 2, rows: 2, tile_width: 160, tile_height: 90, interval_s: 5 };

  it('names a tile for every moment of the film', () => {
    const cues = thumbnailTrack(offer, 27, (name) => `http://edge/m/t/${name}`).trim().split('\n\n').slice(1);
    expect(cues.length).toBe(6);
    expect(cues[0]).toBe('00:00:00.000 --> 00:00:05.000\nhttp://edge/m/t/assets/1/a.jpg#xywh=0,0,160,90');
    expect(cues[3]).toContain('a.jpg#xywh=160,90,160,90');
    expect(cues[5]).toBe('00:00:25.000 --> 00:00:27.000\nhttp://edge/m/t/assets/1/b.jpg#xywh=160,0,160,90');
  });

  it('stops where the sheets end', () => {
    expect(thumbnailTrack({ ...offer, names: ['a'] }, 3600, String).match(/-->/g)?.length).toBe(4);
  });
});

describe('appearance', () => {
  it('survives what cannot be understood', () => {
    for (const text of [null, '', '{', '[]', '"x"', '{"size": "999", "colour": 3}']) expect(parseAppearance(text)).toEqual(PLAIN);
    expect(parseAppearance('{"size": "150", "colour": "red"}')).toEqual({ ...PLAIN, size: '150' });
  });

  it('becomes a style of cues', () => {
    expect(cueStyle({ ...PLAIN, size: '200', colour: 'yellow' })).toMatch(/video::cue \{.*\* 2\).*#ffe14d/);
  });
});

describe('what is fetched ahead', () => {
  const master = [
    '#EXTM3U',
    '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio-mp4a",NAME="Deutsch",DEFAULT=NO,URI="/s/a1.m3u8"',
    '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio-mp4a",NAME="English",DEFAULT=YES,URI="/s/a0.m3u8"',
    '#EXT-X-STREAM-INF:AVERAGE-BANDWIDTH=1,BANDWIDTH=2500000,CODECS="a",AUDIO="audio-mp4a"',
    '/s/v720.m3u8',
    '#EXT-X-STREAM-INF:BANDWIDTH=400000,AVERAGE-BANDWIDTH=2,CODECS="a",AUDIO="audio-mp4a"',
    '/s/v234.m3u8',
    '',
  ].join('\n');

  it('is the best variant that the line carries, and the sound that plays by default', () => {
    expect(firstPlaylists(master, 3e6)).toEqual(['/s/v720.m3u8', '/s/a0.m3u8']);
    expect(firstPlaylists(master, 1e6)).toEqual(['/s/v234.m3u8', '/s/a0.m3u8']);
  });

  it('is the lowest variant when the line carries none', () => {
    expect(firstPlaylists(master, 1)[0]).toBe('/s/v234.m3u8');
  });

  it('is nothing of what is no playlist', () => {
    expect(firstPlaylists('<html>', 1e6)).toEqual([]);
    expect(firstSegments('<html>', 0)).toEqual([]);
  });

  it('is the segment of the moment, with its initialisation', () => {
    const media = '#EXTM3U\n#EXT-X-MAP:URI="http://e/m/t/assets/1/i.mp4"\n#EXTINF:2.000000,\nhttp://e/1\n#EXTINF:2.000000,\nhttp://e/2\n#EXT-X-ENDLIST\n';
    expect(firstSegments(media, 0)).toEqual(['http://e/m/t/assets/1/i.mp4', 'http://e/1']);
    expect(firstSegments(media, 2)[1]).toBe('http://e/2');
    expect(firstSegments(media, 99)).toEqual(['http://e/m/t/assets/1/i.mp4']);
  });
});

describe('Arrivals', () => {
  it('adds the pieces of one request, and keeps requests apart that come at the same time', () => {
    const arrivals = new Arrivals();
    const [first, second] = [{}, {}];
    arrivals.note(first, 50_000, 100);
    arrivals.note(second, 100_000, 100);
    arrivals.note(first, 50_000, 300);
    expect(arrivals.speedsBps()).toEqual([2_000_000, 8_000_000]);
  });

  it('knows nothing of what is too small to tell, and forgets', () => {
    const arrivals = new Arrivals();
    arrivals.note({}, 15_999, 10);
    arrivals.note({}, 20_000, 0);
    expect(arrivals.speedsBps()).toEqual([]);
    for (let at = 1; at <= 30; at += 1) arrivals.note({}, 1_000_000, at * 1000);
    expect(arrivals.speedsBps()).toHaveLength(20);
    expect(arrivals.speedsBps().at(-1)).toBeCloseTo(8_000_000 / 30);
  });
});

describe('mendAbort', () => {
  const buffers = (more: object = {}) => {
    const aborted: boolean[] = [];
    const made = { updating: false, abort: () => void aborted.push(true), ...more };
    mendAbort(made);
    return { made, aborted };
  };

  it('leaves an idle buffer alone where aborting forgets the initialisation segment', () => {
    const { made, aborted } = buffers();
    made.abort();
    expect(aborted).toEqual([]);
    made.updating = true;
    made.abort();
    expect(aborted).toEqual([true]);
  });

  it('changes nothing where it does not', () => {
    const { made, aborted } = buffers({ changeType: () => undefined });
    made.abort();
    expect(aborted).toEqual([true]);
  });
});

describe('asError', () => {
  it('is what the service said, where shaka-player only knows that nothing came', () => {
    const refusal = new Problem(404, 'not-found', 'no such title');
    expect(asError({ code: 1001, data: ['https://edge/m/1.m4s', refusal, 1] })).toBe(refusal);
    expect(asError({ code: 3016, data: [] }).message).toBe('code 3016');
  });
});
