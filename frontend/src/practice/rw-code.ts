/** `<rw-code>`: a text field for code. Tab indents after a key was pressed in it, Escape gives Tab back to moving on. */

const INDENT = '    ';

class CodeElement extends HTMLElement {
  #indents = false;

  connectedCallback(): void {
    const field = this.querySelector('textarea');
    field?.addEventListener('keydown', this.#press);
    field?.addEventListener('blur', () => (this.#indents = false));
  }

  #press = (event: KeyboardEvent): void => {
    const field = event.target as HTMLTextAreaElement;
    if (event.key === 'Escape') this.#indents = false;
    else if (event.key === 'Tab' && this.#indents && !event.shiftKey) {
      event.preventDefault();
      field.setRangeText(INDENT, field.selectionStart, field.selectionEnd, 'end');
    } else if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) field.form?.requestSubmit();
    else if (event.key === 'Enter') {
      event.preventDefault();
      field.setRangeText(`\n${indentOf(field)}`, field.selectionStart, field.selectionEnd, 'end');
      this.#indents = true;
    } else if (event.key.length === 1) this.#indents = true;
  };
}

/** The white space at the beginning of the line; one step more after a colon. */
function indentOf(field: HTMLTextAreaElement): string {
  const line = field.value.slice(0, field.selectionStart).split('\n').pop() ?? '';
  const white = /^ */.exec(line)?.[0] ?? '';
  return line.trimEnd().endsWith(':') ? white + INDENT : white;
}

customElements.define('rw-code', CodeElement);

export {};
