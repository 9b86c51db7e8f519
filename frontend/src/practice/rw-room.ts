/**
 * `<rw-room>`: the interview room. Its clock runs, and what is typed is kept on the server for another device. Where
 * the interviewer is about to put a challenge in words, they are shown as they come, else the scripted challenge.
 */
import { call, listen } from '../api.ts';

const SAVE_AFTER_MS = 1500;

interface Said {
  more?: string;
  asks?: string;
}

class RoomElement extends HTMLElement {
  #began = performance.now();
  #ticking = 0;
  #saving = 0;
  #leaving = new AbortController();

  connectedCallback(): void {
    if ('running' in this.dataset) this.#ticking = window.setInterval(this.#tick, 1000);
    this.querySelector('textarea')?.addEventListener('input', this.#later);
    const words = this.dataset['words'];
    const asked = this.querySelector<HTMLElement>('[data-asks]');
    if (words && asked) void this.#hear(words, asked);
  }

  disconnectedCallback(): void {
    clearInterval(this.#ticking);
    clearTimeout(this.#saving);
    this.#leaving.abort();
  }

  async #hear(path: string, asked: HTMLElement): Promise<void> {
    let asks = asked.dataset['asks'] ?? '';
    asked.textContent = '…';
    asked.setAttribute('aria-busy', 'true');
    let said = '';
    try {
      await listen<Said>(
        path,
        (one) => {
          said += one.more ?? '';
          asks = one.asks ?? asks;
          if (said) asked.textContent = said;
        },
        this.#leaving.signal,
      );
    } catch {
      // what is scripted is asked: it waits on the server already
    }
    asked.textContent = asks;
    asked.removeAttribute('aria-busy');
  }

  #tick = (): void => {
    const clock = this.querySelector('[data-clock]');
    const passed = Number(this.dataset['elapsedS']) + (performance.now() - this.#began) / 1000;
    if (clock) clock.textContent = `${Math.floor(passed / 60)} of ${this.dataset['minutes']} minutes`;
  };

  #later = (): void => {
    clearTimeout(this.#saving);
    this.#saving = window.setTimeout(() => void this.#save(), SAVE_AFTER_MS);
  };

  async #save(): Promise<void> {
    const text = this.querySelector('textarea')?.value ?? '';
    try {
      await call('PUT', this.dataset['save'] ?? '', { turn: Number(this.dataset['turn']), text });
      this.#say('Draft saved');
    } catch {
      this.#say('Draft not saved; it is tried again as you type');
    }
  }

  #say(text: string): void {
    const place = this.querySelector('[data-saved]');
    if (place) place.textContent = text;
  }
}

customElements.define('rw-room', RoomElement);
