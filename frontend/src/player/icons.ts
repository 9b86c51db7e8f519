import { html, type TemplateResult } from 'lit';

const PATHS = {
  back: 'm15 5-7 7 7 7 1.4-1.4L10.8 12l5.6-5.6z',
  settings:
    'M12 8.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7zm9 5.2-2 .6-.7 1.7 1 1.9-1.9 1.9-1.9-1-1.7.7-.6 2h-2.6l-.6-2-1.7-.7-1.9 1-1.9-1.9 1-1.9-.7-1.7-2-.6v-2.6l2-.6.7-1.7-1-1.9 1.9-1.9 1.9 1 1.7-.7.6-2h2.6l.6 2 1.7.7 1.9-1 1.9 1.9-1 1.9.7 1.7 2 .6z',
  captions: 'M4 5h16v14H4zm2 2v10h12V7zm1.5 6h4v2h-4zm5.5 0h3.5v2H13zM7.5 9.5H10v2H7.5zm4 0h5v2h-5z',
  next: 'M6 5v14l9-7zm10 0h2v14h-2z',
  close: 'm6.4 5 5.6 5.6L17.6 5 19 6.4 13.4 12l5.6 5.6-1.4 1.4-5.6-5.6L6.4 19 5 17.6l5.6-5.6L5 6.4z',
  sound: 'M4 9v6h4l5 4V5L8 9zm12-.5v7a4 4 0 0 0 0-7z',
  check: 'm9.5 16.2-4-4L4 13.7l5.5 5.5L20.5 8.2 19 6.7z',
} as const;

/** A picture for a button; what it means is said by the button's label. */
export function icon(name: keyof typeof PATHS): TemplateResult {
  return html`<svg viewBox="0 0 24 24" width="24" height="24" aria-hidden="true"><path fill="currentColor" d=${PATHS[name]}></path></svg>`;
}
