/** `<rw-row>`: a row that is wider than the page; buttons at its ends move it by what fits. */

const ARROWS = { back: 'm15 5-7 7 7 7 1.4-1.4L10.8 12l5.6-5.6z', on: 'm9 5 7 7-7 7-1.4-1.4L13.2 12 7.6 6.4z' } as const;
const SHARE = 0.85;

class RowElement extends HTMLElement {
  #list: HTMLElement | null = null;
  #buttons: HTMLButtonElement[] = [];
  #size: ResizeObserver | null = null;

  connectedCallback(): void {
    this.#list = this.querySelector('.cards');
    if (!this.#list || this.#buttons.length) return;
    this.#buttons = [this.#button('back', -1), this.#button('on', 1)];
    this.append(...this.#buttons);
    this.#list.addEventListener('scroll', this.#show, { passive: true });
    this.#size = new ResizeObserver(this.#show);
    this.#size.observe(this.#list);
  }

  disconnectedCallback(): void {
    this.#size?.disconnect();
  }

  /** For pointers: keys and screen readers move through the cards themselves. */
  #button(kind: keyof typeof ARROWS, sign: 1 | -1): HTMLButtonElement {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = `row-move row-${kind}`;
    button.tabIndex = -1;
    button.ariaHidden = 'true';
    button.innerHTML = `<svg viewBox="0 0 24 24" width="24" height="24"><path fill="currentColor" d="${ARROWS[kind]}"/></svg>`;
    button.addEventListener('click', () => this.#move(sign));
    return button;
  }

  #move(sign: 1 | -1): void {
    const list = this.#list;
    if (!list) return;
    const direction = getComputedStyle(list).direction === 'rtl' ? -sign : sign;
    const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    list.scrollBy({ left: direction * list.clientWidth * SHARE, behavior: calm ? 'auto' : 'smooth' });
  }

  readonly #show = (): void => {
    const list = this.#list;
    if (!list) return;
    const at = Math.abs(list.scrollLeft);
    const most = list.scrollWidth - list.clientWidth;
    const [back, on] = this.#buttons;
    if (back) back.hidden = at < 8;
    if (on) on.hidden = at > most - 8;
  };
}

customElements.define('rw-row', RowElement);

export {};
