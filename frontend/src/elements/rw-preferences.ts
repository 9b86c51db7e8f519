/** `<rw-preferences>`: how subtitles look, kept on this device; the player reads the same. */
import { readPreference, writePreference } from '../preferences.ts';
import { CHOICES, cueStyle, parseAppearance, type Appearance } from '../player/appearance.ts';

class PreferencesElement extends HTMLElement {
  #look = parseAppearance(readPreference('subtitles'));
  #sample = document.createElement('p');

  connectedCallback(): void {
    const fields = document.createElement('div');
    fields.className = 'preferences';
    fields.append(...(Object.keys(CHOICES) as (keyof Appearance)[]).map((key) => this.#field(key)));
    this.#sample.className = 'subtitle-sample';
    this.#sample.append(Object.assign(document.createElement('span'), { textContent: 'This is how subtitles look.' }));
    this.replaceChildren(fields, this.#sample);
    this.#show();
  }

  #field(key: keyof Appearance): HTMLElement {
    const { name, values } = CHOICES[key];
    const label = document.createElement('label');
    const select = document.createElement('select');
    for (const [value, text] of values) select.add(new Option(text, value, false, this.#look[key] === value));
    select.addEventListener('change', () => {
      Object.assign(this.#look, { [key]: select.value });
      writePreference('subtitles', this.#look);
      this.#show();
    });
    label.append(`Subtitles: ${name.toLowerCase()}`, select);
    return label;
  }

  /** The same rules as the player's, on the sample's text. */
  #show(): void {
    const declared = new CSSStyleSheet();
    declared.replaceSync(cueStyle(this.#look).replace('video::cue', '.subtitle-sample span'));
    document.adoptedStyleSheets = [declared];
  }
}

customElements.define('rw-preferences', PreferencesElement);
