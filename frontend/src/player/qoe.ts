import { report, reportLeaving, type Happening } from '../events/report.ts';
import type { ProgressData } from '../events/event-types.ts';
import { noteLeft } from './downloads.ts';
import type { Engine } from './engine.ts';
import type { Session } from './session.ts';

/** Tells the service how playback went: start time, position, stalls, quality, errors. */
export class QualityOfExperience {
  private readonly video: HTMLVideoElement;
  private readonly session: Session;
  private readonly engine: Engine;
  private readonly requestedAt: number;
  private readonly ended = new AbortController();
  private started = false;
  private stallBegan: number | null = null;
  private bitrateBps = 0;
  private stopped = false;
  private playedMs = 0;
  private playingSince: number | null = null;
  private bits = 0;
  private stalledMs = 0;
  /** Milliseconds from the request to the first frame; null until there is one. */
  startMs: number | null = null;
  stalls = 0;

  constructor(video: HTMLVideoElement, session: Session, engine: Engine, requestedAt: number) {
    this.video = video;
    this.session = session;
    this.engine = engine;
    this.requestedAt = requestedAt;
    const options = { signal: this.ended.signal };
    const on = (name: string, act: () => void): void => video.addEventListener(name, act, options);
    on('playing', () => this.plays());
    on('timeupdate', () => this.moves());
    on('seeked', () => this.seeked());
    on('pause', () => this.pauses());
    on('seeking', () => this.settle());
    on('ended', () => this.stop());
    engine.addEventListener('starving', (event) => ((event as CustomEvent<boolean>).detail ? this.waits() : this.endStall()), options);
    engine.addEventListener('quality', () => this.qualityChanged(), options);
    window.addEventListener('pagehide', () => this.leave(), options);
    document.addEventListener('visibilitychange', () => this.hidden(), options);
  }

  /** Say where the viewer is. */
  beat(): void {
    if (this.started) this.tellProgress('heartbeat');
  }

  /** Say that playback could not go on. */
  failed(error: Error): void {
    const data = { ...this.length(), code: error.name.slice(0, 200), message: error.message.slice(0, 300), fatal: true };
    void report({ type: 'error', version: 2, ...this.about(), data });
  }

  /** Playback is over. */
  close(): void {
    this.stop();
    this.ended.abort();
  }

  private plays(): void {
    if (!this.started) {
      this.started = true;
      this.startMs = Math.round(performance.now() - this.requestedAt);
      void report({ type: 'play', ...this.about(), data: { ...this.length(), start_ms: this.startMs, engine: this.engine.kind } });
    }
    this.stopped = false;
    this.playingSince ??= performance.now();
    this.endStall();
  }

  private pauses(): void {
    this.settle();
    this.tellProgress('heartbeat');
  }

  /** Count what has been played up to now; whoever plays on begins a new stretch. */
  private settle(): void {
    if (this.playingSince === null) return;
    const ms = performance.now() - this.playingSince;
    this.playingSince = null;
    this.playedMs += ms;
    this.bits += (this.bitrateBps * ms) / 1000;
  }

  private goOn(): void {
    if (!this.video.paused && !this.video.seeking && this.stallBegan === null) this.playingSince ??= performance.now();
  }

  private waits(): void {
    this.settle();
    if (this.started && !this.video.seeking && !this.video.ended) this.stallBegan ??= performance.now();
  }

  private moves(): void {
    if (this.video.readyState > 2 && !this.video.paused && this.video.playbackRate > 0) this.endStall();
  }

  private endStall(): void {
    if (this.stallBegan === null) return;
    const ms = Math.round(performance.now() - this.stallBegan);
    this.stallBegan = null;
    this.goOn();
    if (ms < 50) return; // a seam between segments is none
    this.stalls++;
    this.stalledMs += ms;
    void report({ type: 'stall', ...this.about(), data: { ...this.length(), ms } });
  }

  private seeked(): void {
    this.stallBegan = null;
    if (this.started) void report({ type: 'seek', ...this.about(), data: this.length() });
  }

  private qualityChanged(): void {
    const { height, bitrateBps } = this.engine.stats();
    if (!this.started || bitrateBps === this.bitrateBps) return;
    this.settle();
    this.bitrateBps = bitrateBps;
    this.goOn();
    const data = { ...this.length(), ...(height ? { height } : {}), bitrate_bps: Math.round(bitrateBps) };
    void report({ type: 'quality_change', ...this.about(), data });
  }

  private hidden(): void {
    if (document.visibilityState === 'hidden' && this.started && !this.stopped) reportLeaving(this.progress('heartbeat'));
  }

  private leave(): void {
    if (!this.started || this.stopped) return;
    this.stopped = true;
    reportLeaving(this.progress('stop'));
  }

  private stop(): void {
    if (!this.started || this.stopped) return;
    this.stopped = true;
    this.settle();
    this.tellProgress('stop');
  }

  private tellProgress(type: 'heartbeat' | 'stop'): void {
    void report(this.progress(type), 0);
  }

  private progress(type: 'heartbeat' | 'stop'): Happening {
    noteLeft(this.session.now.playable_id, this.video.currentTime);
    return { type, ...this.about(), data: { ...this.length(), ...this.soFar() } };
  }

  /** What every event of the player names. */
  private about(): { session_id?: string; title_id: string; playable_id: string; position_s: number } {
    const { id, title_id, playable_id } = this.session.now;
    const position_s = Math.round(this.video.currentTime * 1000) / 1000;
    return { ...(id ? { session_id: id } : {}), title_id, playable_id, position_s };
  }

  private length(): { duration_s: number } {
    return { duration_s: this.session.now.duration_s };
  }

  /** How it went since the beginning: the next of these makes good for one that is lost. */
  private soFar(): ProgressData {
    this.settle();
    this.goOn();
    const watched_ms = Math.round(this.playedMs);
    return {
      watched_ms,
      stalls: this.stalls,
      stalled_ms: this.stalledMs,
      ...(this.startMs === null ? {} : { start_ms: this.startMs }),
      ...(watched_ms > 0 && this.bits > 0 ? { bitrate_bps: Math.round((this.bits * 1000) / watched_ms) } : {}),
      edge: this.edge(),
      device: 'browser',
    };
  }

  private edge(): string {
    const base = this.session.now.media_bases[0];
    return base ? new URL(base, location.href).host : '';
  }
}
