import { begin, startOf } from './player/beginning.ts';

/** Loads an element's code when a page holds the element, and not before. */
const LOADERS: Record<string, (element: Element) => Promise<unknown>> = {
  'rw-player': (element) => {
    begin(element.getAttribute('playable') ?? '', 0, startOf(location.search));
    return import('./player/rw-player.ts');
  },
  'rw-download': () => import('./elements/rw-download.ts'),
  'rw-downloads': () => import('./elements/rw-downloads.ts'),
  'rw-row': () => import('./elements/rw-row.ts'),
  'rw-soon': () => import('./elements/rw-soon.ts'),
  'rw-preferences': () => import('./elements/rw-preferences.ts'),
  'rw-code': () => import('./practice/rw-code.ts'),
  'rw-keep': () => import('./practice/rw-keep.ts'),
  'rw-speech': () => import('./practice/rw-speech.ts'),
  'rw-room': () => import('./practice/rw-room.ts'),
  'rw-live': () => import('./studio/rw-live.ts'),
  'rw-table': () => import('./studio/rw-table.ts'),
  'rw-upload': () => import('./studio/rw-upload.ts'),
};

/** Load what `root` holds; called for the page, and for whatever is put into it later. */
export function load(root: ParentNode): void {
  for (const [tag, loader] of Object.entries(LOADERS)) {
    const element = customElements.get(tag) ? null : root.querySelector(tag);
    if (element) void loader(element);
  }
}
