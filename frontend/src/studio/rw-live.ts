/**
 * `<rw-live src="…">`: what the server rendered, kept fresh. Each message of the event stream fetches this page again
 * and changes what differs, so that there is one renderer, and focus, selection and scroll stay where they are.
 */
import { morph } from './morph.ts';

const AT_MOST_EVERY_MS = 700;

class LiveElement extends HTMLElement {
  #source: EventSource | null = null;
  #timer = 0;
  #fresh = true;

  connectedCallback(): void {
    const src = this.getAttribute('src');
    if (!src) return;
    this.#source = new EventSource(src);
    this.#source.onmessage = () => this.#later();
    addEventListener('pagehide', this.#close);
  }

  disconnectedCallback(): void {
    this.#close();
  }

  #close = (): void => {
    this.#source?.close();
    clearTimeout(this.#timer);
    removeEventListener('pagehide', this.#close);
  };

  #later(): void {
    if (this.#fresh) {
      this.#fresh = false; // the first message repeats what the page shows already
      return;
    }
    this.#timer ||= window.setTimeout(() => void this.#refresh(), AT_MOST_EVERY_MS);
  }

  async #refresh(): Promise<void> {
    this.#timer = 0;
    try {
      const response = await fetch(location.href, { headers: { Accept: 'text/html' } });
      if (!response.ok) return;
      const page = new DOMParser().parseFromString(await response.text(), 'text/html');
      const there = page.querySelector(`rw-live[src="${this.getAttribute('src')}"]`);
      if (there) morph(this, there);
    } catch {
      // The stream reconnects by itself; its next message tries again.
    }
  }
}

customElements.define('rw-live', LiveElement);
