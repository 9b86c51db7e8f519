/** How subtitles look: chosen by the viewer, kept per profile on this device. */

export interface Appearance {
  size: '75' | '100' | '125' | '150' | '200';
  colour: 'white' | 'yellow' | 'cyan' | 'green';
  background: 'none' | 'shade' | 'solid';
  position: 'bottom' | 'top';
}

export const PLAIN: Appearance = { size: '100', colour: 'white', background: 'shade', position: 'bottom' };

export const CHOICES: { [K in keyof Appearance]: { name: string; values: readonly (readonly [Appearance[K], string])[] } } = {
  size: {
    name: 'Size',
    values: [['75', 'Small'], ['100', 'Normal'], ['125', 'Large'], ['150', 'Larger'], ['200', 'Largest']],
  },
  colour: { name: 'Colour', values: [['white', 'White'], ['yellow', 'Yellow'], ['cyan', 'Cyan'], ['green', 'Green']] },
  background: { name: 'Background', values: [['none', 'None'], ['shade', 'Shade'], ['solid', 'Solid']] },
  position: { name: 'Position', values: [['bottom', 'Bottom'], ['top', 'Top']] },
};

const COLOURS = { white: '#fff', yellow: '#ffe14d', cyan: '#6ff', green: '#7dff8a' };
const BACKGROUNDS = { none: 'transparent', shade: 'rgb(0 0 0 / 65%)', solid: '#000' };

/** The style of cues, for a style sheet beside the video. */
export function cueStyle(look: Appearance): string {
  const shadow = look.background === 'none' ? '0 0 4px #000, 0 0 2px #000, 1px 1px 2px #000' : 'none';
  const size = `calc(clamp(16px, 2.6vmin + 8px, 48px) * ${Number(look.size) / 100})`;
  return (
    `video::cue { font-size: ${size}; color: ${COLOURS[look.colour]}; ` +
    `background: ${BACKGROUNDS[look.background]}; text-shadow: ${shadow}; }`
  );
}

/** Put a cue where the viewer wants it; what the file places itself stays there while that is the bottom. */
export function placeCue(cue: VTTCue, look: Appearance): void {
  if (look.position === 'top') cue.line = 1;
  else if (cue.line === 1) cue.line = 'auto';
}

/** What the viewer chose, as far as it can still be understood. */
export function parseAppearance(text: string | null): Appearance {
  const look: Appearance = { ...PLAIN };
  let found: unknown = null;
  try {
    found = JSON.parse(text ?? 'null');
  } catch {
    return look;
  }
  if (typeof found !== 'object' || found === null) return look;
  for (const key of Object.keys(CHOICES) as (keyof Appearance)[]) {
    const value = (found as Record<string, unknown>)[key];
    if (CHOICES[key].values.some(([known]) => known === value)) Object.assign(look, { [key]: value });
  }
  return look;
}
