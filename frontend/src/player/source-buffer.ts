type Aborts = { abort(): void; readonly updating: boolean };

/**
 * WebKitGTK's `abort()` forgets the initialisation segment, which it must keep (Media Source Extensions, 2.4.4), and
 * shaka-player calls it between that segment and the first: nothing would play. While nothing is being appended there is
 * nothing to abort. It is known by its lack of `changeType`, which the others have.
 */
export function mendAbort(buffers: Aborts): void {
  if ('changeType' in buffers) return;
  const abort = buffers.abort;
  buffers.abort = function (this: Aborts): void {
    if (this.updating) abort.call(this);
  };
}
