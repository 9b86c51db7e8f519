/** `<rw-download playable name>`: keeps a film on this device, shows how far that is, and removes it again. */
import { canDownload, download, isKept, listDownloads, removeDownload } from '../player/downloads.ts';

class DownloadElement extends HTMLElement {
  #button = document.createElement('button');
  #said = document.createElement('span');
  #stop: AbortController | null = null;

  connectedCallback(): void {
    if (!canDownload()) return;
    this.#button.type = 'button';
    this.#button.className = 'button quiet';
    this.#button.addEventListener('click', () => void this.#act());
    this.#said.className = 'sr';
    this.#said.setAttribute('role', 'status');
    this.replaceChildren(this.#button, this.#said);
    this.#look();
  }

  disconnectedCallback(): void {
    this.#stop?.abort();
  }

  get #playable(): string {
    return this.getAttribute('playable') ?? '';
  }

  #look(): void {
    this.#button.textContent = isKept(this.#playable) ? 'Remove download' : 'Download';
  }

  async #act(): Promise<void> {
    if (this.#stop) this.#stop.abort();
    else if (isKept(this.#playable)) await this.#remove();
    else await this.#keep();
  }

  async #remove(): Promise<void> {
    const kept = (await listDownloads()).find((one) => one.kept.session.playable_id === this.#playable);
    if (kept) await removeDownload(kept);
    this.#said.textContent = 'Removed from this device.';
    this.#look();
  }

  async #keep(): Promise<void> {
    const stop = new AbortController();
    this.#stop = stop;
    this.#show(0);
    try {
      void navigator.storage?.persist?.().catch(() => undefined); // Firefox asks the viewer, who may never answer
      await download(this.#playable, this.getAttribute('name') ?? '', (share) => this.#show(share), stop.signal);
      this.#said.textContent = 'Kept on this device.';
      this.#stop = null;
      this.#look();
    } catch (error) {
      this.#stop = null;
      this.#button.textContent = 'Download';
      this.#said.className = stop.signal.aborted ? 'sr' : 'problem';
      this.#said.textContent = stop.signal.aborted ? 'Stopped.' : `It could not be kept: ${reasonOf(error)}`;
    }
  }

  #show(share: number): void {
    this.#button.textContent = `Downloading ${Math.round(share * 100)} % · stop`;
  }
}

function reasonOf(error: unknown): string {
  // Where a disk is full browsers end the transaction, and not all of them say why.
  if (!error) return 'there may be no room left on this device.';
  const code = (error as { code?: unknown }).code;
  if (code === 1014 || (error as Error).name === 'QuotaExceededError') return 'there is no room left on this device.';
  return error instanceof Error && error.message ? error.message : `code ${String(code)}.`;
}

customElements.define('rw-download', DownloadElement);
