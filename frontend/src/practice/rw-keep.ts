/**
 * `<rw-keep name>`: what is typed in its fields and not yet sent outlives a reload, the back button, a form beside it, a
 * lost network and a session that ended. It stays in this tab alone; what the server has kept meanwhile goes first.
 */

type Field = HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement;
type Kept = Record<string, { from: string; text: string }>;

class KeepElement extends HTMLElement {
  connectedCallback(): void {
    this.#restore();
    this.addEventListener('input', this.#keep);
    addEventListener('pagehide', this.#keep);
  }

  disconnectedCallback(): void {
    removeEventListener('pagehide', this.#keep);
  }

  #restore(): void {
    const kept = JSON.parse(sessionStorage.getItem(this.#key()) ?? '{}') as Kept;
    for (const field of this.#fields()) {
      const one = kept[field.name];
      if (one?.from !== served(field)) continue;
      field.value = one.text;
      field.dispatchEvent(new Event('input', { bubbles: true }));
    }
  }

  #keep = (): void => {
    const changed = this.#fields().filter((field) => field.value !== served(field));
    const kept: Kept = Object.fromEntries(changed.map((one) => [one.name, { from: served(one), text: one.value }]));
    if (changed.length) sessionStorage.setItem(this.#key(), JSON.stringify(kept));
    else sessionStorage.removeItem(this.#key());
  };

  #fields(): Field[] {
    const named = 'textarea[name], select[name], input[name]:not([type=hidden], [type=checkbox])';
    return [...this.querySelectorAll<Field>(named)];
  }

  #key(): string {
    return `rw-keep ${location.pathname} ${this.getAttribute('name') ?? ''}`;
  }
}

/** What the page came with. */
function served(field: Field): string {
  if (!(field instanceof HTMLSelectElement)) return field.defaultValue;
  const options = [...field.options];
  return (options.find((one) => one.defaultSelected) ?? options[0])?.value ?? '';
}

customElements.define('rw-keep', KeepElement);

export {};
