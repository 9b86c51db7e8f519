/** What the system shows of playback, and its keys: lock screens, headphones, keyboards. */
export interface SystemControls {
  play(): void;
  pause(): void;
  seek(byS: number): void;
  jump(toS: number): void;
  next: (() => void) | null;
}

/** Announce a title to the system. */
export function announce(title: string, artwork: string, controls: SystemControls): void {
  const { mediaSession } = navigator as { mediaSession?: MediaSession };
  if (!mediaSession) return;
  mediaSession.metadata = new MediaMetadata({ title, artwork: artwork ? [{ src: artwork }] : [] });
  const handle = (action: MediaSessionAction, act: MediaSessionActionHandler | null): void => {
    try {
      mediaSession.setActionHandler(action, act);
    } catch {
      // this browser does not know the action
    }
  };
  handle('play', () => controls.play());
  handle('pause', () => controls.pause());
  handle('seekbackward', (details) => controls.seek(-(details.seekOffset ?? 10)));
  handle('seekforward', (details) => controls.seek(details.seekOffset ?? 10));
  handle('seekto', (details) => controls.jump(details.seekTime ?? 0));
  handle('nexttrack', controls.next);
}

/** Tell the system where playback is. */
export function place(video: HTMLVideoElement, durationS: number): void {
  const { mediaSession } = navigator as { mediaSession?: MediaSession };
  mediaSession?.setPositionState?.({
    duration: durationS,
    position: Math.min(video.currentTime, durationS),
    playbackRate: video.playbackRate || 1,
  });
}
