/** What a key does in the player. */

export type Command =
  | { do: 'toggle' | 'play' | 'pause' | 'mute' | 'fullscreen' | 'captions' | 'why' | 'help' | 'next' | 'leave' | 'controls' }
  | { do: 'seek'; by: number }
  | { do: 'jump'; share: number }
  | { do: 'step'; by: 1 | -1 }
  | { do: 'volume'; by: number }
  | { do: 'speed'; by: 1 | -1 };

export interface Key {
  key: string;
  shiftKey: boolean;
  ctrlKey: boolean;
  altKey: boolean;
  metaKey: boolean;
}

/** Where the focus is: on the picture, on a control that needs arrows and the space bar itself, or in a text field. */
export type Place = 'picture' | 'control' | 'text';

export const SEEK_S = 10;
const ARROW_SEEK_S = 10;

/** Keys for people, in the order of the help. */
export const HELP: readonly (readonly [string, string])[] = [
  ['Space or K', 'Play or pause'],
  ['← and →', 'Back or forward 10 seconds, while the picture has the focus'],
  ['↑ and ↓', 'Go to the controls'],
  ['J and L', 'Back or forward 10 seconds'],
  ['+ and −', 'Louder or quieter'],
  ['M', 'Mute'],
  ['F', 'Full screen'],
  ['C', 'Subtitles on or off'],
  ['< and >', 'Slower or faster'],
  [', and .', 'One frame back or on, while paused'],
  ['0 to 9', 'Jump to that tenth of the film'],
  ['N', 'Next episode'],
  ['Shift+D', 'Why this quality'],
  ['Esc', 'Close what is open, or leave full screen'],
  ['?', 'These keys'],
];

const LETTERS: Record<string, Command> = {
  k: { do: 'toggle' },
  j: { do: 'seek', by: -SEEK_S },
  l: { do: 'seek', by: SEEK_S },
  m: { do: 'mute' },
  f: { do: 'fullscreen' },
  c: { do: 'captions' },
  n: { do: 'next' },
  ',': { do: 'step', by: -1 },
  '.': { do: 'step', by: 1 },
  '<': { do: 'speed', by: -1 },
  '>': { do: 'speed', by: 1 },
  '+': { do: 'volume', by: 0.05 },
  '=': { do: 'volume', by: 0.05 },
  '-': { do: 'volume', by: -0.05 },
  '?': { do: 'help' },
};

/** Remote controls of television sets, and the media keys of keyboards. */
const REMOTE: Record<string, Command> = {
  MediaPlayPause: { do: 'toggle' },
  MediaPlay: { do: 'play' },
  MediaPause: { do: 'pause' },
  MediaStop: { do: 'pause' },
  Pause: { do: 'toggle' },
  MediaRewind: { do: 'seek', by: -SEEK_S },
  MediaFastForward: { do: 'seek', by: SEEK_S },
  MediaTrackPrevious: { do: 'jump', share: 0 },
  MediaTrackNext: { do: 'next' },
  ClosedCaptionToggle: { do: 'captions' },
  Subtitle: { do: 'captions' },
  Info: { do: 'why' },
  GoBack: { do: 'leave' },
  BrowserBack: { do: 'leave' },
  XF86Back: { do: 'leave' },
};

/** On the picture alone: controls need these keys themselves. */
const PICTURE: Record<string, Command> = {
  ' ': { do: 'toggle' },
  Enter: { do: 'controls' },
  ArrowLeft: { do: 'seek', by: -ARROW_SEEK_S },
  ArrowRight: { do: 'seek', by: ARROW_SEEK_S },
  ArrowUp: { do: 'controls' },
  ArrowDown: { do: 'controls' },
  Home: { do: 'jump', share: 0 },
  End: { do: 'jump', share: 1 },
};

/** The command of a key; null leaves it to the browser. */
export function commandOf(key: Key, place: Place): Command | null {
  if (key.ctrlKey || key.altKey || key.metaKey) return null;
  const remote = REMOTE[key.key];
  if (remote) return remote;
  if (place === 'text') return null;
  if (key.key.toLowerCase() === 'd') return key.shiftKey ? { do: 'why' } : null;
  if (/^[0-9]$/.test(key.key)) return { do: 'jump', share: Number(key.key) / 10 };
  const letter = LETTERS[key.key.toLowerCase()];
  if (letter) return letter;
  return place === 'picture' ? (PICTURE[key.key] ?? null) : null;
}
