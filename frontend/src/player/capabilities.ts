import type { Device } from './contract.ts';

const CODECS: Record<string, string> = {
  avc1: 'video/mp4; codecs="avc1.640028"',
  av01: 'video/mp4; codecs="av01.0.08M.08"',
  mp4a: 'audio/mp4; codecs="mp4a.40.2"',
  opus: 'audio/mp4; codecs="opus"',
};
const LOWEST_SCREEN = 480;

type Supports = (type: string) => boolean;

/** Whether Media Source Extensions are here; `ManagedMediaSource` is Safari's on phones. */
export function mediaSourceSupport(scope: { MediaSource?: typeof MediaSource; ManagedMediaSource?: typeof MediaSource }): Supports | null {
  const source = scope.ManagedMediaSource ?? scope.MediaSource;
  return source ? (type) => source.isTypeSupported(type) : null;
}

/** What this device can play, for the service to choose tracks by. */
export function describeDevice(supports: Supports | null, shortSidePixels: number, agent: string): Device {
  const codecs = supports ? Object.keys(CODECS).filter((prefix) => supports(CODECS[prefix] ?? '')) : [];
  return {
    codecs,
    max_height: Math.max(LOWEST_SCREEN, Math.ceil(shortSidePixels)),
    mse: codecs.length > 0,
    name: agent.slice(0, 80),
    steers: codecs.length > 0,
  };
}

/** This device. */
export function thisDevice(): Device {
  const pixels = Math.min(screen.width, screen.height) * window.devicePixelRatio;
  return describeDevice(mediaSourceSupport(window), pixels, deviceName(navigator.userAgent));
}

/** `Chrome on Linux`, as well as that can be known. */
export function deviceName(agent: string): string {
  const browser = /Edg\//.exec(agent) ? 'Edge' : (/(Firefox|Chrome|Safari)\//.exec(agent)?.[1] ?? 'Browser');
  const system = /(Android|iPhone|iPad|Windows|Mac OS X|CrOS|Tizen|Web0S|Linux)/.exec(agent)?.[1] ?? 'unknown system';
  return `${browser} on ${system}`;
}
