/** What a viewer prefers on this device, each profile for itself. */

const PROFILE = 'rw.profile';

/** The profile that watches: as the page says; offline, whoever watched here last. */
export function watchingProfile(): string {
  const said = document.querySelector<HTMLMetaElement>('meta[name=profile]')?.content;
  if (said) keep(PROFILE, said);
  return said || localStorage.getItem(PROFILE) || '';
}

/** What was kept under a name; null where nothing was. */
export function readPreference(name: string): string | null {
  return localStorage.getItem(keyOf(name));
}

/** Keep a value for the next time. */
export function writePreference(name: string, value: unknown): void {
  keep(keyOf(name), JSON.stringify(value));
}

function keyOf(name: string): string {
  return `rw.${name}.${watchingProfile()}`;
}

function keep(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // a full or forbidden storage forgets a preference, and nothing else
  }
}
