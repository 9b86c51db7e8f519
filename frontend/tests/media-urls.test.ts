import { describe, expect, it } from 'vitest';
import { edgeOf, MediaUrls } from '../src/player/media-urls.ts';

const A = 'http://edge-a.test/m/tokA/';
const B = 'http://edge-b.test/cdn/m/tokB/';
const OLD = 'http://edge-a.test/m/k1.100.1.sig/assets/01abc/seg1.m4s?CMCD=br%3D300';

describe('MediaUrls', () => {
  it('moves a segment to the newest signature of the best edge, and keeps its query', () => {
    expect(new MediaUrls([A, B]).current(OLD)).toBe('http://edge-a.test/m/tokA/assets/01abc/seg1.m4s?CMCD=br%3D300');
  });

  it('follows a renewal', () => {
    const urls = new MediaUrls([A]);
    urls.renew(['http://edge-a.test/m/fresh/']);
    expect(urls.current(OLD)).toContain('/m/fresh/assets/01abc/seg1.m4s');
  });

  it('keeps what it has when a renewal brings nothing', () => {
    const urls = new MediaUrls([A]);
    urls.renew([]);
    expect(urls.current(OLD)).toContain('/m/tokA/');
  });

  it('avoids an edge that failed, and comes back to it later', () => {
    let now = 0;
    const urls = new MediaUrls([A, B], () => now);
    urls.failed(urls.current(OLD));
    expect(urls.current(OLD)).toContain('http://edge-b.test/cdn/m/tokB/assets/');
    now = 29_999;
    expect(urls.current(OLD)).toContain('edge-b');
    now = 30_000;
    expect(urls.current(OLD)).toContain('edge-a');
  });

  it('tells once which edge failed while another worked, and blames none for a dead line', () => {
    const urls = new MediaUrls([A, B]);
    urls.failed(urls.current(OLD));
    expect(urls.takeFelt()).toEqual({ worked: [], failed: [] });
    urls.worked(A + 'assets/01abc/seg1.m4s');
    urls.failed(A + 'assets/01abc/seg2.m4s');
    urls.worked(B + 'assets/01abc/seg2.m4s');
    urls.failed('/api/v1/playback/sessions/x/master.m3u8');
    expect(urls.takeFelt()).toEqual({ worked: ['http://edge-b.test/cdn'], failed: ['http://edge-a.test'] });
    expect(urls.takeFelt()).toEqual({ worked: [], failed: [] });
  });

  it('tells again what could not be told, but for what was felt since', () => {
    const urls = new MediaUrls([A, B]);
    urls.failed(A + 'assets/01abc/seg1.m4s');
    urls.worked(B + 'assets/01abc/seg1.m4s');
    const taken = urls.takeFelt();
    urls.failed(B + 'assets/01abc/seg2.m4s');
    urls.worked('http://edge-c.test/cdn/m/tokC/assets/01abc/seg2.m4s');
    urls.keepFelt(taken);
    expect(urls.takeFelt()).toEqual({
      worked: ['http://edge-c.test/cdn'],
      failed: expect.arrayContaining(['http://edge-a.test', 'http://edge-b.test/cdn']) as string[],
    });
  });

  it('remembers an edge by its name, not by its signature', () => {
    const urls = new MediaUrls([A, B]);
    urls.failed(urls.current(OLD));
    urls.renew([A.replace('tokA', 'tokA2'), B.replace('tokB', 'tokB2')]);
    expect(urls.current(OLD)).toContain('/m/tokB2/');
  });

  it('takes the edge that failed longest ago when all have failed', () => {
    let now = 0;
    const urls = new MediaUrls([A, B], () => now);
    urls.failed(A + 'assets/x/y');
    now = 10;
    urls.failed(B + 'assets/x/y');
    expect(urls.current(OLD)).toContain('edge-a');
    expect(urls.hasOther(urls.current(OLD))).toBe(false);
  });

  it('moves manifests to the session that replaced a forgotten one', () => {
    const urls = new MediaUrls([A]);
    const manifest = '/api/v1/playback/sessions/old/v540.m3u8?access=x';
    expect(urls.current(manifest)).toBe(manifest);
    urls.renew([A], 'new');
    expect(urls.current(manifest)).toBe('/api/v1/playback/sessions/new/v540.m3u8?access=x');
  });

  it('finds playlists at the edges while the service is away, at one that works, and at the service again when it is back', () => {
    let now = 0;
    const urls = new MediaUrls([A, B], () => now);
    const master = 'http://web.test/api/v1/playback/sessions/s/master.m3u8?access=x';
    urls.failed(master);
    expect(urls.current(master)).toBe(master);
    expect(urls.hasOther(master)).toBe(false);
    urls.madeAtEdges('http://edge-a.test/m/old/assets/01abc/f00.m3u8');
    expect(urls.hasOther(master)).toBe(true);
    expect(urls.current(master)).toBe(`${A}assets/01abc/f00.m3u8`);
    expect(urls.current('/api/v1/playback/sessions/s/v540.m3u8?edge=a&CMCD=ot%3Dm')).toBe(`${A}assets/01abc/f00.v540.m3u8`);
    urls.failed(`${A}assets/x`);
    expect(urls.current(master)).toBe(`${B}assets/01abc/f00.m3u8`);
    urls.failed(`${B}assets/x`);
    expect(urls.current(master)).toBe(master);
    now += 31_000;
    urls.failed(master);
    urls.renew([A]);
    expect(urls.current(master)).toBe(master);
    urls.failed(master);
    now += 31_000;
    expect(urls.current(master)).toBe(master);
  });

  it('takes the edges in the order that an edge knows, also such as it had not heard of', () => {
    const urls = new MediaUrls([B]);
    expect(urls.steering()).toBe('');
    urls.madeAtEdges(`${A}assets/01abc/f00.m3u8`);
    const asked = urls.steering();
    expect(asked).toBe(`${B}assets/01abc/steering.json?known=this-player`);
    const clone = (ID: string, HOST: string): object => ({ 'BASE-ID': 'this-player', ID, 'URI-REPLACEMENT': { HOST } });
    const said = { TTL: 30, 'PATHWAY-PRIORITY': ['c', 'b', 'unsaid'], 'PATHWAY-CLONES': [clone('b', 'edge-b.test'), clone('c', 'c.test:81')] };
    urls.steer(asked, said as never);
    expect(urls.current(OLD)).toContain('http://c.test:81/cdn/m/tokB/assets/01abc/');
    urls.failed(urls.current(OLD));
    expect(urls.current(OLD)).toContain('http://edge-b.test/cdn/m/tokB/');
    urls.steer(asked, { TTL: 30, 'PATHWAY-PRIORITY': ['nowhere'] });
    expect(urls.current(OLD)).toContain('http://edge-b.test/cdn/m/tokB/');
  });

  it('leaves other addresses alone', () => {
    const urls = new MediaUrls([A]);
    expect(urls.current('/static/x.js')).toBe('/static/x.js');
    expect(urls.current('http://other.test/m/only-two-parts')).toBe('http://other.test/m/only-two-parts');
  });

  it('names an edge by what stands before the signature', () => {
    expect(edgeOf(A)).toBe('http://edge-a.test');
    expect(edgeOf(OLD)).toBe('http://edge-a.test');
    expect(edgeOf(B + 'assets/1/2')).toBe('http://edge-b.test/cdn');
  });
});
