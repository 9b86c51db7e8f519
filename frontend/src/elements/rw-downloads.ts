/** `<rw-downloads>`: what is kept on this device, to play without a network. */
import { listDownloads, removeDownload, sessionOf, type Download } from '../player/downloads.ts';

class DownloadsElement extends HTMLElement {
  connectedCallback(): void {
    const heading = document.querySelector('h1');
    if (heading && navigator.onLine && location.pathname === '/offline') heading.textContent = 'Downloads';
    void this.#show();
  }

  async #show(): Promise<void> {
    const kept = await listDownloads();
    const wanted = kept.find((one) => location.pathname === `/watch/${one.kept.session.playable_id}`);
    if (wanted) {
      await this.#play(wanted);
      return;
    }
    if (kept.length === 0) {
      const nothing = document.createElement('p');
      nothing.textContent = 'Nothing is kept on this device yet. A title’s page has a button for it.';
      this.replaceChildren(nothing);
      return;
    }
    const list = document.createElement('ul');
    list.className = 'downloads';
    list.append(...kept.map((one) => this.#item(one)));
    this.replaceChildren(list);
  }

  #item(one: Download): HTMLElement {
    const item = document.createElement('li');
    const picture = document.createElement('img');
    picture.alt = '';
    picture.width = 240;
    picture.height = 135;
    if (one.kept.picture) picture.src = one.kept.picture;
    const name = document.createElement('b');
    name.textContent = one.kept.name;
    const size = document.createElement('span');
    size.textContent = `${Math.round(one.bytes / 1e6)} MB`;
    const play = button('Play', 'button primary small', () => void this.#play(one));
    play.setAttribute('aria-label', `Play ${one.kept.name}`);
    const remove = button('Remove', 'button quiet small', () => void removeDownload(one).then(() => this.#show()));
    remove.setAttribute('aria-label', `Remove ${one.kept.name} from this device`);
    item.append(picture, name, size, play, remove);
    return item;
  }

  async #play(one: Download): Promise<void> {
    await import('../player/rw-player.ts');
    const player = Object.assign(document.createElement('rw-player'), {
      name: one.kept.name,
      back: location.pathname,
      playable: one.kept.session.playable_id,
      stored: sessionOf(one),
    });
    document.body.classList.add('watching');
    document.body.append(player);
  }
}

function button(text: string, look: string, act: () => void): HTMLButtonElement {
  const made = document.createElement('button');
  made.type = 'button';
  made.className = look;
  made.textContent = text;
  made.addEventListener('click', act);
  return made;
}

customElements.define('rw-downloads', DownloadsElement);
