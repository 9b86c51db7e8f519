import { directionOf, nearest, type Box, type Direction } from './geometry.ts';

/** Arrow keys move the focus, on every page: for remotes of television sets, and for keyboards. */

const FOCUSABLE = 'a[href], area[href], button, input, select, textarea, summary, [tabindex], [contenteditable]';
const ROW = 'rw-row, [data-nav-row]';
const BARS = ['.tabs', '.top'];
const MODAL = 'dialog[open], [aria-modal="true"]';
const TEXT = /^(text|search|email|url|tel|password|number|date|time|datetime-local|month|week)$/;

const lastOfRow = new WeakMap<Element, HTMLElement>();

/** Begin to listen; once a page. */
export function startNavigation(): void {
  document.addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    const direction = directionOf(event.key);
    if (!direction) return;
    const at = deepActive();
    if (at && keepsArrow(at, direction, event.repeat)) return;
    if (move(direction, scope())) event.preventDefault();
  });
  document.addEventListener('focusin', (event) => {
    const target = event.composedPath()[0];
    if (!(target instanceof HTMLElement)) return;
    const row = target.closest(ROW);
    if (row) lastOfRow.set(row, target);
  });
}

/** Move the focus within `root`; false when there is nowhere to go. */
export function move(direction: Direction, root: ParentNode): boolean {
  const every = focusables(root);
  const at = deepActive();
  const target = at && every.includes(at) ? next(at, every, direction) : initial(root, every);
  if (!target) return false;
  target.focus({ preventScroll: true });
  target.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  if (isRadio(target) && at && isRadio(at) && at.name === target.name) target.click(); // as arrows do in a group
  return true;
}

/** What can have the focus in `root`, also inside open shadow roots. */
export function focusables(root: ParentNode): HTMLElement[] {
  const found: HTMLElement[] = [];
  for (const element of root.querySelectorAll<HTMLElement>('*')) {
    if (element.matches(FOCUSABLE) && isUsable(element)) found.push(element);
    else if (element.shadowRoot && element.checkVisibility()) found.push(...focusables(element.shadowRoot));
  }
  return found;
}

function next(at: HTMLElement, every: readonly HTMLElement[], direction: Direction): HTMLElement | undefined {
  const others = every.filter((element) => element !== at && !element.contains(at));
  const own = at.closest(ROW);
  if (direction === 'left' || direction === 'right') {
    const beside = own ? others.filter((element) => own.contains(element)) : others.filter((element) => !inOtherRow(element, at));
    return pick(boxOf(at), beside, direction);
  }
  // A row counts as a whole, wherever it is scrolled to.
  const units = new Map<Element, HTMLElement[]>();
  for (const element of others) {
    const row = element.closest(ROW);
    if (row && row === own) continue;
    const unit = row ?? element;
    units.set(unit, [...(units.get(unit) ?? []), element]);
  }
  const places = [...units.keys()];
  const unit = places[nearest(boxOf(at), places.map(boxOf), direction)];
  if (!unit) return pick(boxOf(at), others.filter((element) => own?.contains(element)), direction);
  return enter(unit, units.get(unit) ?? [], at);
}

/** Where a row is entered: where it was left, or below what was left. */
function enter(unit: Element, inside: readonly HTMLElement[], from: HTMLElement): HTMLElement | undefined {
  const last = lastOfRow.get(unit);
  if (last && inside.includes(last)) return last;
  if (inside.length < 2) return inside[0];
  const frame = boxOf(unit);
  const inView = inside.filter((element) => boxOf(element).left >= frame.left - 4 && boxOf(element).right <= frame.right + 4);
  const middle = (box: Box): number => (box.left + box.right) / 2;
  const distance = (element: HTMLElement): number => Math.abs(middle(boxOf(element)) - middle(boxOf(from)));
  return [...(inView.length ? inView : inside)].sort((a, b) => distance(a) - distance(b))[0];
}

function inOtherRow(element: HTMLElement, at: HTMLElement): boolean {
  const row = element.closest(ROW);
  return row !== null && row !== at.closest(ROW);
}

function pick(from: Box, candidates: readonly HTMLElement[], direction: Direction): HTMLElement | undefined {
  return candidates[nearest(from, candidates.map(boxOf), direction)];
}

function initial(root: ParentNode, every: readonly HTMLElement[]): HTMLElement | undefined {
  const named = root.querySelector<HTMLElement>('[data-nav-initial]');
  if (!named) return every[0];
  return every.includes(named) ? named : (focusables(named)[0] ?? every[0]);
}

/** The page, or what lies over it and must be closed first. */
function scope(): ParentNode {
  const modal = [...document.querySelectorAll(MODAL)].filter((element) => element.checkVisibility()).pop();
  return modal ?? document;
}

function deepActive(): HTMLElement | null {
  let active = document.activeElement;
  while (active?.shadowRoot?.activeElement) active = active.shadowRoot.activeElement;
  return active instanceof HTMLElement && active !== document.body ? active : null;
}

function isUsable(element: HTMLElement): boolean {
  if (element.tabIndex < 0 && !isRadio(element)) return false;
  if (element.matches(':disabled, [type=hidden]') || element.closest('[inert]')) return false;
  const { width, height } = element.getBoundingClientRect();
  return width > 1 && height > 1 && element.checkVisibility({ visibilityProperty: true });
}

/** Whether an element needs this arrow itself: to move the caret, a slider, a list. */
export function keepsArrow(element: HTMLElement, direction: Direction, repeated: boolean): boolean {
  const sideways = direction === 'left' || direction === 'right';
  if (element.isContentEditable || element.getAttribute('aria-expanded') === 'true') return true;
  if (element instanceof HTMLTextAreaElement) return repeated || !atEdge(element, direction === 'left' || direction === 'up');
  if (!(element instanceof HTMLInputElement)) return false;
  if (element.type === 'range') return sideways;
  if (!TEXT.test(element.type)) return false;
  if (!sideways) return element.list !== null || /^(number|date|time|datetime-local|month|week)$/.test(element.type);
  return repeated || !atEdge(element, direction === 'left');
}

function atEdge(field: HTMLInputElement | HTMLTextAreaElement, start: boolean): boolean {
  const { selectionStart, selectionEnd, value } = field;
  if (selectionStart === null || selectionEnd === null) return true; // a number has no caret that can be read
  return selectionStart === selectionEnd && selectionStart === (start ? 0 : value.length);
}

function isRadio(element: HTMLElement): element is HTMLInputElement {
  return element instanceof HTMLInputElement && element.type === 'radio';
}

/** Where an element stands on the page; a bar that stays in view counts as before, or behind, all that scrolls past it. */
function boxOf(element: Element): Box {
  const { left, top, right, bottom } = element.getBoundingClientRect();
  const shift = shiftOf(BARS.map((bar) => element.closest(bar)).find((bar) => bar && stays(bar)));
  return { left, top: top + shift, right, bottom: bottom + shift };
}

function stays(bar: Element): boolean {
  return /fixed|sticky/.test(getComputedStyle(bar).position);
}

function shiftOf(bar: Element | null | undefined): number {
  if (!bar) return 0;
  const above = bar.getBoundingClientRect().top < innerHeight / 2;
  return above ? -scrollY : document.documentElement.scrollHeight - innerHeight - scrollY;
}
