/** Speech as the browser gives it, and what becomes of it; without a document, so that it is tested without one. */

export interface Heard {
  readonly resultIndex: number;
  readonly results: ArrayLike<ArrayLike<{ readonly transcript: string }> & { readonly isFinal: boolean }>;
}

export interface Recognition extends EventTarget {
  continuous: boolean;
  interimResults: boolean;
  lang: string;
  start(): void;
  stop(): void;
}

export type Recogniser = new () => Recognition;

export function findRecogniser(view: object): Recogniser | null {
  const known = view as { SpeechRecognition?: Recogniser; webkitSpeechRecognition?: Recogniser };
  return known.SpeechRecognition ?? known.webkitSpeechRecognition ?? null;
}

/** The finished parts of what was heard since the last event. */
export function finished(heard: Heard): string {
  const parts: string[] = [];
  for (let at = heard.resultIndex; at < heard.results.length; at++) {
    const result = heard.results[at];
    if (result?.isFinal) parts.push((result[0]?.transcript ?? '').trim());
  }
  return parts.filter(Boolean).join(' ');
}

/** The answer with what was heard after it. */
export function appended(text: string, heard: string): string {
  if (!heard) return text;
  return text && !/\s$/.test(text) ? `${text} ${heard}` : text + heard;
}
