import { watchingProfile } from '../preferences.ts';
import { report } from './report.ts';

const SEEN_SHARE = 0.5;
const SEEN_MS = 1000;
const NOT_WATCHING = /^\/(studio|practice)(\/|$)/;

/** Tell of the page: that it was shown, what was looked for, and which titles came into view, each once. */
export function tellPage(): void {
  if (!watchingProfile() || NOT_WATCHING.test(location.pathname)) return;
  const page = location.pathname.slice(0, 200);
  void report({ type: 'page_view', data: { page } });
  const search = document.querySelector<HTMLElement>('[data-search]');
  if (search) {
    void report({ type: 'search', data: { text: search.dataset.search ?? '', results: Number(search.dataset.results) } });
  }
  tellImpressions(page);
}

/** A title counts as shown once half of it was in view for a second. */
function tellImpressions(page: string): void {
  const waiting = new Map<Element, ReturnType<typeof setTimeout>>();
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        clearTimeout(waiting.get(target));
        waiting.delete(target);
        if (isIntersecting) waiting.set(target, setTimeout(() => tell(target), SEEN_MS));
      }
    },
    { threshold: SEEN_SHARE },
  );
  const places = new Map<Element, Parameters<typeof report>[0]>();
  const tell = (card: Element): void => {
    observer.unobserve(card);
    const happening = places.get(card);
    if (happening) void report(happening);
  };
  document.querySelectorAll<HTMLElement>('[data-row]').forEach((row, row_index) => {
    const { policy, propensity } = row.dataset;
    row.querySelectorAll<HTMLElement>('[data-title]').forEach((card, position) => {
      const data = { row: row.dataset.row ?? '', position, row_index, page };
      const ranked = policy ? { policy, ...(propensity ? { propensity: Number(propensity) } : {}) } : {};
      places.set(card, { type: 'impression', title_id: card.dataset.title ?? '', data: { ...data, ...ranked } });
      observer.observe(card);
    });
  });
}
