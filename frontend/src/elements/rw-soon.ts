/**
 * `<rw-soon>`: there is nothing yet. The page is fetched again until it no longer says so, and is then shown anew;
 * until then only what it says changes.
 */
import { morph } from '../studio/morph.ts';

const EVERY_MS = 2000;

class SoonElement extends HTMLElement {
  #timer = 0;

  connectedCallback(): void {
    this.#timer = window.setInterval(() => void this.#look(), EVERY_MS);
  }

  disconnectedCallback(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    if (document.hidden) return;
    try {
      const response = await fetch(location.href, { headers: { Accept: 'text/html' } });
      if (!response.ok) return;
      const page = new DOMParser().parseFromString(await response.text(), 'text/html');
      const there = page.querySelector('rw-soon');
      if (there) morph(this, there);
      else location.reload();
    } catch {
      // Out of reach just now; the next time is soon.
    }
  }
}

customElements.define('rw-soon', SoonElement);
