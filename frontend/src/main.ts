import './styles/app.css';
import { load } from './elements.ts';
import { startNavigation } from './navigation/spatial.ts';

startNavigation();
load(document);
// On a phone Studio's places, and the guide's chapters, are one long row.
document.querySelector(':is(.places, .chapters) [aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' });

// A double click sends a form once. A form whose answer is a file leaves its page here, so it can be sent again.
const sent = new WeakSet<EventTarget>();
addEventListener('submit', (event) => {
  const form = event.target;
  if (event.defaultPrevented || !form) return;
  if (sent.has(form)) event.preventDefault();
  sent.add(form);
  setTimeout(() => sent.delete(form), 1000);
});

// What was watched without a network, or as the last page went away, is told now.
addEventListener('load', () => setTimeout(() => void import('./events/report.ts').then(({ tellWaiting }) => tellWaiting()), 1000));
// What a page shows is told once it is there; one that comes back from the browser's memory is shown again.
addEventListener('pageshow', () => setTimeout(() => void import('./events/pages.ts').then(({ tellPage }) => tellPage()), 500));

// Where the browser allows it: over TLS, and on this machine.
if ('serviceWorker' in navigator) {
  addEventListener('load', () => setTimeout(() => void navigator.serviceWorker.register('/sw.js').catch(() => undefined), 3000));
}
