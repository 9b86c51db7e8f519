/** `<rw-upload accept="…">`: drop films here, or choose them; each goes up in parts and survives a lost network and a reload. */
import { caller, Problem } from '../api.ts';
import { upload } from './tus.ts';

class UploadElement extends HTMLElement {
  #list = document.createElement('ul');

  connectedCallback(): void {
    this.innerHTML = `
      <div class="drop">
        <p><strong>Drop films here</strong></p>
        <button class="button primary" type="button">Choose films</button>
        <input type="file" multiple hidden>
        <p class="hint">An upload that is cut off goes on when you choose the same file again.</p>
      </div>`;
    this.#list.className = 'bars uploads';
    this.#list.setAttribute('aria-live', 'polite');
    this.append(this.#list);
    const drop = this.querySelector<HTMLElement>('.drop')!;
    const input = this.querySelector('input')!;
    input.accept = this.getAttribute('accept') ?? '';
    this.querySelector('button')!.addEventListener('click', () => input.click());
    input.addEventListener('change', () => this.#take(input.files));
    drop.addEventListener('dragover', (event) => {
      event.preventDefault();
      drop.classList.add('over');
    });
    drop.addEventListener('dragleave', () => drop.classList.remove('over'));
    drop.addEventListener('drop', (event) => {
      event.preventDefault();
      drop.classList.remove('over');
      this.#take(event.dataTransfer?.files ?? null);
    });
  }

  #take(files: FileList | null): void {
    for (const file of files ?? []) void this.#send(file);
  }

  async #send(file: File): Promise<void> {
    const row = document.createElement('li');
    const name = document.createElement('span');
    name.textContent = file.name;
    const bar = document.createElement('progress');
    bar.max = Math.max(1, file.size);
    bar.setAttribute('aria-label', file.name);
    const said = document.createElement('span');
    said.className = 'num quiet';
    row.append(name, bar, said);
    this.#list.prepend(row);
    const cancel = new AbortController();
    try {
      await upload(file, {
        csrf: (await caller()).csrf,
        signal: cancel.signal,
        onProgress: (sent) => {
          bar.value = sent;
          said.textContent = `${Math.floor((100 * sent) / bar.max)} %`;
        },
        onWaiting: (why) => (said.textContent = why),
      });
      said.innerHTML = 'There. <a href="/studio/jobs">It is being encoded</a>';
    } catch (error) {
      said.className = 'problem';
      said.textContent = error instanceof Problem || error instanceof Error ? error.message : String(error);
    }
  }
}

customElements.define('rw-upload', UploadElement);
