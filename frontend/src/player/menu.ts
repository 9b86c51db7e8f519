import { html, nothing, type TemplateResult } from 'lit';
import { CHOICES, type Appearance } from './appearance.ts';
import type { Choice, Engine } from './engine.ts';
import { icon } from './icons.ts';
import { HELP } from './keys.ts';

export type Menu = 'settings' | 'subtitles' | 'help';

export const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 2] as const;

/** What a menu needs to know, and what it may do. */
export interface MenuModel {
  engine: Engine;
  speed: number;
  look: Appearance;
  chooseSpeed(speed: number): void;
  chooseText(choice: Choice | null): void;
  chooseAudio(choice: Choice): void;
  chooseQuality(id: string | null): void;
  changeLook(change: Partial<Appearance>): void;
  close(): void;
}

/** An open menu. */
export function menuTemplate(menu: Menu, model: MenuModel): TemplateResult {
  const bodies = { settings, subtitles, help };
  const names = { settings: 'Quality and speed', subtitles: 'Audio and subtitles', help: 'Keys' };
  return html`
    <div class="over panel" role="dialog" aria-label=${names[menu]} aria-modal="true">
      <header>
        <h2>${names[menu]}</h2>
        <button class="icon" aria-label="Close" @click=${() => model.close()}>${icon('close')}</button>
      </header>
      ${bodies[menu](model)}
    </div>
  `;
}

function settings(model: MenuModel): TemplateResult {
  const { engine } = model;
  const { height } = engine.stats();
  const auto = engine.chosenQuality === null;
  return html`
    ${engine.qualities().length
      ? group('Quality', [
          item(html`Automatic ${auto && height ? html`<span class="quiet">now ${height}p</span>` : nothing}`, auto, () => model.chooseQuality(null)),
          ...engine.qualities().map((one) =>
            item(html`${one.height}p <span class="quiet">${megabits(one.bitrateBps)}</span>`, engine.chosenQuality === one.id, () => model.chooseQuality(one.id)),
          ),
        ])
      : nothing}
    ${group('Speed', SPEEDS.map((speed) => item(speed === 1 ? 'Normal' : `${speed}×`, model.speed === speed, () => model.chooseSpeed(speed))), true)}
  `;
}

function subtitles(model: MenuModel): TemplateResult {
  const { engine } = model;
  const texts = engine.texts();
  const audios = engine.audios();
  return html`
    ${group('Subtitles', [
      item('Off', !texts.some((one) => one.active), () => model.chooseText(null)),
      ...texts.map((one) => item(one.label, one.active, () => model.chooseText(one))),
    ])}
    ${audios.length ? group('Audio', audios.map((one) => item(one.label, one.active, () => model.chooseAudio(one)))) : nothing}
    ${texts.length ? (Object.keys(CHOICES) as (keyof Appearance)[]).map((key) => lookGroup(key, model)) : nothing}
  `;
}

function lookGroup(key: keyof Appearance, model: MenuModel): TemplateResult {
  const { name, values } = CHOICES[key];
  const items = values.map(([value, label]) => item(label, model.look[key] === value, () => model.changeLook({ [key]: value })));
  return group(`Subtitle ${name.toLowerCase()}`, items, true);
}

function help(): TemplateResult {
  return html`<dl class="keys">${HELP.map(([keys, does]) => html`<dt>${keys}</dt><dd>${does}</dd>`)}</dl>`;
}

function group(name: string, items: readonly TemplateResult[], inline = false): TemplateResult {
  return html`
    <h2 id=${slug(name)}>${name}</h2>
    <div class="items ${inline ? 'inline' : ''}" role="radiogroup" aria-labelledby=${slug(name)}>${items}</div>
  `;
}

function item(label: unknown, checked: boolean, choose: () => void): TemplateResult {
  return html`<button class="item" role="radio" aria-checked=${checked ? 'true' : 'false'} @click=${choose}>${label}</button>`;
}

function slug(name: string): string {
  return `menu-${name.toLowerCase().replaceAll(' ', '-')}`;
}

/** `4.5 Mb/s`. */
export function megabits(bps: number): string {
  return bps >= 1e6 ? `${(bps / 1e6).toFixed(1)} Mb/s` : `${Math.round(bps / 1e3)} kb/s`;
}
