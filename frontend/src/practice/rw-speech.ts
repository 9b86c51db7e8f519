/**
 * `<rw-speech>`: speech in and out for the interview room, where the browser has it and somebody asks for it.
 *
 * What is heard goes into the answer's field, where it is corrected before it is graded. Nothing of how it was said is
 * kept: no sound, no pause, no tone.
 */

import { appended, findRecogniser, finished, type Heard, type Recogniser, type Recognition } from './speech.ts';

const PROBLEMS: Record<string, string> = {
  'not-allowed': 'The microphone is not allowed here. Type instead.',
  'audio-capture': 'No microphone was found. Type instead.',
  network: 'The browser’s speech service does not answer. Type instead.',
};

class SpeechElement extends HTMLElement {
  #recognition: Recognition | null = null;

  connectedCallback(): void {
    const recogniser = findRecogniser(window);
    const [speak, say] = ['[data-speak]', '[data-say]'].map((one) => this.querySelector<HTMLButtonElement>(one));
    if (speak && recogniser) {
      speak.hidden = false;
      speak.addEventListener('click', () => (this.#recognition ? this.#stop() : this.#start(recogniser)));
    }
    if (say && 'speechSynthesis' in window) {
      say.hidden = false;
      say.addEventListener('click', this.#say);
    }
    this.hidden = !(recogniser || 'speechSynthesis' in window);
  }

  disconnectedCallback(): void {
    this.#stop();
    window.speechSynthesis?.cancel();
  }

  #start(recogniser: Recogniser): void {
    const recognition = new recogniser();
    recognition.continuous = true;
    recognition.interimResults = false;
    recognition.lang = document.documentElement.lang || 'en';
    recognition.addEventListener('result', (event) => this.#hear(finished(event as unknown as Heard & Event)));
    recognition.addEventListener('error', (event) => this.#fail((event as Event & { error?: string }).error ?? ''));
    recognition.addEventListener('end', () => this.#stop());
    this.#recognition = recognition;
    recognition.start();
    this.#tell('Listening. What is heard comes into the field: correct it before you answer.', true);
  }

  #stop(): void {
    const recognition = this.#recognition;
    this.#recognition = null;
    if (!recognition) return;
    recognition.stop();
    this.#tell('Stopped. Read it once more before you answer.', false);
  }

  #fail(error: string): void {
    this.#recognition = null;
    this.#tell(PROBLEMS[error] ?? 'Nothing was understood. Try again, or type.', false);
  }

  #hear(text: string): void {
    const field = this.closest('form')?.querySelector('textarea');
    if (!field || !text) return;
    field.value = appended(field.value, text);
    field.dispatchEvent(new Event('input', { bubbles: true }));
  }

  #say = (): void => {
    const asked = document.querySelector('#asked')?.textContent ?? '';
    window.speechSynthesis.cancel();
    window.speechSynthesis.speak(new SpeechSynthesisUtterance(asked));
  };

  #tell(text: string, listening: boolean): void {
    const place = this.querySelector('[data-heard]');
    if (place) place.textContent = text;
    const button = this.querySelector('[data-speak]');
    button?.setAttribute('aria-pressed', String(listening));
    if (button) button.textContent = listening ? 'Stop listening' : 'Speak';
  }
}

customElements.define('rw-speech', SpeechElement);
