import type { Connection } from './connection.ts';
import type { Choice, Decision, Engine, EngineStats, Quality } from './engine.ts';
import type { Session } from './session.ts';

interface AudioTrackLike {
  id: string;
  label: string;
  language: string;
  enabled: boolean;
}

/** Where there are no Media Source Extensions the browser plays the HLS itself and chooses the quality. */
export class NativeEngine extends EventTarget implements Engine {
  readonly kind = 'native';
  readonly decisions: readonly Decision[] = [];
  readonly chosenQuality = null;
  private readonly video: HTMLVideoElement;
  private readonly session: Session;
  private readonly connection: Connection;
  private readonly ended = new AbortController();
  private attempt = 0;
  private wanted = 0;

  constructor(video: HTMLVideoElement, session: Session, connection: Connection) {
    super();
    this.video = video;
    this.session = session;
    this.connection = connection;
    const options = { signal: this.ended.signal };
    video.addEventListener('error', () => void this.recover(), options);
    video.addEventListener('playing', () => this.works(), options);
    for (const name of ['waiting', 'playing']) {
      video.addEventListener(name, () => this.dispatchEvent(new CustomEvent('starving', { detail: name === 'waiting' })), options);
    }
    video.addEventListener('loadedmetadata', () => this.arrived(), options);
    video.addEventListener('timeupdate', () => this.moved(), options);
    video.addEventListener('resize', () => this.dispatchEvent(new Event('quality')), options);
    video.textTracks.addEventListener('addtrack', () => this.dispatchEvent(new Event('tracks')), options);
  }

  load(startS: number): Promise<void> {
    this.wanted = startS;
    this.video.src = this.session.now.hls_url;
    return new Promise((resolve) => {
      this.video.addEventListener('loadedmetadata', () => resolve(), { once: true, signal: this.ended.signal });
    });
  }

  destroy(): Promise<void> {
    this.ended.abort();
    this.video.removeAttribute('src');
    this.video.load();
    return Promise.resolve();
  }

  seekableEnd(): number {
    const { seekable } = this.video;
    return seekable.length ? seekable.end(seekable.length - 1) : 0;
  }

  qualities(): Quality[] {
    return [];
  }

  chooseQuality(): void {
    // the browser alone decides
  }

  audios(): Choice[] {
    return this.audioTracks().map((track) => ({
      id: track.id,
      label: track.label || track.language,
      language: track.language,
      active: track.enabled,
    }));
  }

  chooseAudio(id: string): void {
    for (const track of this.audioTracks()) track.enabled = track.id === id;
  }

  texts(): Choice[] {
    return this.textTracks().map((track, index) => ({
      id: String(index),
      label: track.label || track.language,
      language: track.language,
      active: track.mode === 'showing',
    }));
  }

  chooseText(id: string | null): void {
    for (const [index, track] of this.textTracks().entries()) track.mode = String(index) === id ? 'showing' : 'disabled';
    this.dispatchEvent(new Event('tracks'));
  }

  stats(): EngineStats {
    const { buffered, currentTime } = this.video;
    let bufferS = 0;
    for (let i = 0; i < buffered.length; i++) {
      if (buffered.start(i) <= currentTime + 0.1 && buffered.end(i) >= currentTime) bufferS = buffered.end(i) - currentTime;
    }
    const frames = this.video.getVideoPlaybackQuality?.();
    return {
      bufferS,
      estimateBps: 0,
      bitrateBps: 0,
      height: this.video.videoHeight,
      codecs: '',
      droppedFrames: frames?.droppedVideoFrames ?? 0,
      decodedFrames: frames?.totalVideoFrames ?? 0,
    };
  }

  /** The playlist is asked for anew, which signs it anew, and playback goes on where it was. */
  private async recover(): Promise<void> {
    const code = this.video.error?.code;
    if (code === undefined || this.ended.signal.aborted) return;
    const paused = this.video.paused;
    this.connection.failed();
    try {
      await this.connection.pause(this.attempt++, this.ended.signal);
      await this.session.renew(this.ended.signal);
    } catch (error) {
      if (!this.ended.signal.aborted) this.dispatchEvent(new CustomEvent('failed', { detail: error }));
      return;
    }
    this.video.src = this.session.now.hls_url;
    if (!paused) void this.video.play().catch(() => undefined);
  }

  private works(): void {
    this.attempt = 0;
    this.connection.reached();
  }

  private arrived(): void {
    if (this.wanted > 0) this.video.currentTime = this.wanted;
    this.dispatchEvent(new Event('tracks'));
  }

  private moved(): void {
    if (!this.video.error && this.video.readyState > 1) this.wanted = this.video.currentTime;
  }

  private audioTracks(): AudioTrackLike[] {
    const tracks = (this.video as { audioTracks?: ArrayLike<AudioTrackLike> }).audioTracks;
    return tracks ? Array.from(tracks) : [];
  }

  private textTracks(): TextTrack[] {
    return Array.from(this.video.textTracks).filter((track) => track.kind === 'subtitles' || track.kind === 'captions');
  }
}
