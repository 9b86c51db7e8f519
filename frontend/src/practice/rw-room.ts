/**
 * `<rw-room>`: the interview room. Its clock runs, and what is typed is kept on the server for another device, whose
 * room takes it up when one comes back to it. Where the interviewer is about to put a challenge in words, they are shown
 * as they come, else the scripted challenge.
 */
import { call, listen, Problem } from '../api.ts';

const SAVE_AFTER_MS = 1500;
const AGAIN_AFTER_MS = 5000;

interface Interview {
  turns: { number: number; answer: string | null; draft: string }[];
}

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
    const field = this.#field();
    if (field) {
      field.addEventListener('input', this.#later);
      addEventListener('focus', this.#look);
      addEventListener('pagehide', this.#leave);
      if (this.#unsaved()) this.#later();
    }
    const words = this.dataset['words'];
    const asked = this.querySelector<HTMLElement>('[data-asks]');
    if (words && asked) void this.#hear(words, asked);
  }

  disconnectedCallback(): void {
    clearInterval(this.#ticking);
    clearTimeout(this.#saving);
    removeEventListener('focus', this.#look);
    removeEventListener('pagehide', this.#leave);
    this.#leaving.abort();
  }

  #field = (): HTMLTextAreaElement | null => this.querySelector('textarea');

  /** Whether the field holds what the server does not know of; its default is what the server has. */
  #unsaved(): boolean {
    const field = this.#field();
    return !!field && field.value !== field.defaultValue;
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

  #later = (): void => this.#saveAfter(SAVE_AFTER_MS);

  #leave = (): void => {
    if (this.#unsaved()) void this.#save(true);
  };

  #saveAfter(ms: number): void {
    clearTimeout(this.#saving);
    this.#saving = window.setTimeout(() => void this.#save(), ms);
  }

  async #save(keepalive = false): Promise<void> {
    const field = this.#field();
    if (!field) return;
    const text = field.value;
    try {
      await call('PUT', this.dataset['save'] ?? '', { turn: Number(this.dataset['turn']), text }, { keepalive });
      field.defaultValue = text;
      this.#say('Draft saved');
    } catch (error) {
      const refused = error instanceof Problem && !error.transient;
      this.#say(`Draft not saved, but kept in this tab; ${refused ? error.message : 'it is tried again'}`);
      if (!refused) this.#saveAfter(AGAIN_AFTER_MS);
    }
  }

  /** Take up what another tab or device wrote meanwhile, unless something was typed here too. */
  #look = async (): Promise<void> => {
    const field = this.#field();
    if (!field || this.#unsaved()) return;
    const before = field.value;
    const interview = await call<Interview>('GET', (this.dataset['save'] ?? '').replace(/\/draft$/, '')).catch(() => null);
    const waiting = interview?.turns.at(-1);
    if (!waiting || field.value !== before) return;
    if (waiting.answer !== null || waiting.number !== Number(this.dataset['turn'])) location.reload();
    else if (waiting.draft !== before) field.value = field.defaultValue = waiting.draft;
  };

  #say(text: string): void {
    const place = this.querySelector('[data-saved]');
    if (place) place.textContent = text;
  }
}

customElements.define('rw-room', RoomElement);
