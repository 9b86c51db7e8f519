/**
 * `<rw-keep name>`: what is typed or ticked in its form and not yet sent outlives a reload, the back button, a form beside
 * it, a lost network and a session that ended. It stays in this tab alone; what the server has kept meanwhile goes first.
 *
 * A form that makes something new comes back empty, like one that was never sent: only the server can tell that it was,
 * by going on to `?kept=1`. On a page that says why a form was refused (`refused`) what was typed before it stays.
 */

type Field = HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement;
type Kept = Record<string, { from: string; text: string }>;
const SENT = 'rw-keep sent';

class KeepElement extends HTMLElement {
  #typed = false;

  connectedCallback(): void {
    forget();
    this.#restore();
    this.addEventListener('input', this.#type);
    this.addEventListener('submit', this.#send);
    addEventListener('pagehide', this.#leave);
  }

  disconnectedCallback(): void {
    removeEventListener('pagehide', this.#leave);
  }

  #type = (): void => {
    this.#typed = true;
    this.#keep();
  };

  #send = (): void => sessionStorage.setItem(SENT, this.#key());

  #leave = (): void => {
    if (this.#typed || !this.hasAttribute('refused')) this.#keep();
  };

  #restore(): void {
    const kept = JSON.parse(sessionStorage.getItem(this.#key()) ?? '{}') as Kept;
    for (const field of this.#fields()) {
      const one = kept[field.name];
      if (one?.from !== served(field)) continue;
      write(field, one.text);
      field.closest('details')?.setAttribute('open', '');
      field.dispatchEvent(new Event('input', { bubbles: true }));
    }
  }

  #keep(): void {
    const changed = this.#fields().filter((field) => held(field) !== served(field));
    const kept: Kept = Object.fromEntries(changed.map((one) => [one.name, { from: served(one), text: held(one) }]));
    if (changed.length) sessionStorage.setItem(this.#key(), JSON.stringify(kept));
    else sessionStorage.removeItem(this.#key());
  }

  #fields(): Field[] {
    return [...this.querySelectorAll<Field>('textarea[name], select[name], input[name]:not([type=hidden])')];
  }

  #key(): string {
    // a refused form is shown where it was sent to: both pages keep the same words
    const path = this.querySelector('form')?.getAttribute('action') ?? location.pathname;
    return `rw-keep ${path} ${this.getAttribute('name') ?? ''}`;
  }
}

/** Drop what was sent last, once the server says that it has it. */
function forget(): void {
  const here = new URL(location.href);
  if (!here.searchParams.has('kept')) return;
  sessionStorage.removeItem(sessionStorage.getItem(SENT) ?? '');
  sessionStorage.removeItem(SENT);
  here.searchParams.delete('kept');
  history.replaceState(history.state, '', here);
}

/** What stands in the field now; of a box whether it is ticked. */
function held(field: Field): string {
  return isBox(field) ? String(field.checked) : field.value;
}

function write(field: Field, text: string): void {
  if (isBox(field)) field.checked = text === 'true';
  else field.value = text;
}

function isBox(field: Field): field is HTMLInputElement {
  return field instanceof HTMLInputElement && field.type === 'checkbox';
}

/** What the page came with. */
function served(field: Field): string {
  if (isBox(field)) return String(field.defaultChecked);
  if (!(field instanceof HTMLSelectElement)) return field.defaultValue;
  const options = [...field.options];
  return (options.find((one) => one.defaultSelected) ?? options[0])?.value ?? '';
}

customElements.define('rw-keep', KeepElement);

export {};
