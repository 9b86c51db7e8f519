/** `<rw-table>` around a table: its columns sort on click, and its rows can be taken away as CSV. */
class TableElement extends HTMLElement {
  connectedCallback(): void {
    const table = this.querySelector('table');
    if (!table) return;
    [...table.tHead!.rows[0]!.cells].forEach((cell, column) => this.#makeSortable(table, cell, column));
    const save = document.createElement('button');
    save.className = 'button quiet small';
    save.type = 'button';
    save.textContent = 'Export as CSV';
    save.addEventListener('click', () => download(`${document.title.split(' ')[0]?.toLowerCase()}.csv`, csvOf(table)));
    this.append(save);
  }

  #makeSortable(table: HTMLTableElement, cell: HTMLTableCellElement, column: number): void {
    const text = cell.textContent?.trim();
    if (!text || cell.querySelector('.sr, button')) return;
    const button = document.createElement('button');
    button.className = 'plain';
    button.type = 'button';
    button.textContent = text;
    button.addEventListener('click', () => {
      const down = cell.getAttribute('aria-sort') === 'ascending';
      for (const other of table.tHead!.rows[0]!.cells) other.removeAttribute('aria-sort');
      cell.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      sort(table.tBodies[0]!, column, down);
    });
    cell.replaceChildren(button);
  }
}

function sort(body: HTMLTableSectionElement, column: number, down: boolean): void {
  const order = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' });
  const rows = [...body.rows].sort((one, other) => order.compare(textOf(one, column), textOf(other, column)));
  body.append(...(down ? rows.reverse() : rows));
}

function textOf(row: HTMLTableRowElement, column: number): string {
  return row.cells[column]?.textContent?.trim().replace(/\s+/g, ' ') ?? '';
}

/** The table as RFC 4180 has it; a cell that a spreadsheet would take for a formula gets a quote in front. */
export function csvOf(table: HTMLTableElement): string {
  return [...table.rows]
    .map((row) => [...row.cells].map((_, column) => quoted(textOf(row, column))).join(','))
    .join('\r\n');
}

function quoted(text: string): string {
  const safe = /^[=+\-@\t]/.test(text) ? `'${text}` : text;
  return `"${safe.replaceAll('"', '""')}"`;
}

function download(name: string, text: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'text/csv' }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

customElements.define('rw-table', TableElement);
