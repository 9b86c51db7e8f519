/** Resumable uploads (tus 1.0.0): a file is sent in parts, each checked by the server, and goes on where it stopped. */
import { Problem } from '../api.ts';

const PART_BYTES = 8 << 20;
/** What nginx takes at once unless it is told otherwise. */
const LEAST_BYTES = 1 << 20;
const TUS = { 'Tus-Resumable': '1.0.0' };
const LONGEST_WAIT_MS = 15_000;

export interface UploadOptions {
  csrf: string;
  onProgress: (sent: number) => void;
  onWaiting: (why: string) => void;
  signal: AbortSignal;
}

/** Sends the whole file, through any loss of the network. Throws Problem when the server refuses it for good. */
export async function upload(file: File, options: UploadOptions): Promise<void> {
  const remembered = `rw-upload ${file.name} ${file.size} ${file.lastModified}`;
  let waitMs = 500;
  for (;;) {
    try {
      const { url, offset } = await begin(file, remembered, options);
      await send(file, url, offset, options);
      localStorage.removeItem(remembered);
      return;
    } catch (error) {
      if (options.signal.aborted || (error instanceof Problem && !error.transient && error.status !== 409)) throw error;
      options.onWaiting(error instanceof Problem ? error.message : 'The network is away; the upload goes on when it is back.');
      await wait(waitMs, options.signal);
      waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
    }
  }
}

async function begin(file: File, remembered: string, options: UploadOptions): Promise<{ url: string; offset: number }> {
  const known = localStorage.getItem(remembered);
  if (known) {
    const answer = await ask('HEAD', known, options);
    if (answer.ok) return { url: known, offset: Number(answer.headers.get('Upload-Offset')) };
    localStorage.removeItem(remembered);
  }
  const name = btoa(String.fromCharCode(...new TextEncoder().encode(file.name)));
  const answer = await ask('POST', '/api/v1/uploads', options, {
    'Upload-Length': String(file.size),
    'Upload-Metadata': `filename ${name}`,
  });
  if (!answer.ok) throw await problemOf(answer);
  const url = answer.headers.get('Location')!;
  localStorage.setItem(remembered, url);
  return { url, offset: 0 };
}

async function send(file: File, url: string, from: number, options: UploadOptions): Promise<void> {
  let offset = from;
  let bytes = PART_BYTES;
  options.onProgress(offset);
  while (offset < file.size) {
    const part = file.slice(offset, offset + bytes);
    const answer = await ask('PATCH', url, options, await headersOf(part, offset), part);
    if (answer.status === 413 && bytes > LEAST_BYTES) {
      bytes /= 2;
      continue;
    }
    if (!answer.ok) throw await problemOf(answer);
    offset = Number(answer.headers.get('Upload-Offset'));
    options.onProgress(offset);
  }
}

async function headersOf(part: Blob, offset: number): Promise<Record<string, string>> {
  const headers: Record<string, string> = {
    'Content-Type': 'application/offset+octet-stream',
    'Upload-Offset': String(offset),
  };
  if (crypto.subtle) {
    // Only in secure contexts; elsewhere the length is the check.
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await part.arrayBuffer()));
    headers['Upload-Checksum'] = `sha256 ${btoa(String.fromCharCode(...digest))}`;
  }
  return headers;
}

function ask(
  method: string,
  url: string,
  options: UploadOptions,
  headers: Record<string, string> = {},
  body?: Blob,
): Promise<Response> {
  return fetch(url, {
    method,
    headers: { ...TUS, 'X-CSRF-Token': options.csrf, ...headers },
    signal: options.signal,
    ...(body ? { body } : {}),
  });
}

async function problemOf(answer: Response): Promise<Problem> {
  const said = (await answer.json().catch(() => ({}))) as { detail?: string; title?: string };
  return new Problem(answer.status, '', said.detail ?? said.title ?? `HTTP ${answer.status}`);
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(done, ms);
    addEventListener('online', done, { once: true });
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    function done(): void {
      clearTimeout(timer);
      removeEventListener('online', done);
      resolve();
    }
  });
}
