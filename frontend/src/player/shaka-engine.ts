import type shaka from 'shaka-player/dist/shaka-player.hls-es2021.js';
import { Problem } from '../api.ts';
import type { Connection } from './connection.ts';
import type { Choice, Decision, Engine, EngineStats, Quality } from './engine.ts';
import { gather, remember, startEstimate } from './estimate.ts';
import { Refused, type MediaNetwork } from './media-network.ts';
import type { Session } from './session.ts';
import { abrFactory } from './shaka-abr.ts';
import { fetchWith, type Shaka } from './shaka-network.ts';
import { mendAbort } from './source-buffer.ts';

const HLS = 'application/x-mpegurl';
const STORED = 'application/x-offline-manifest';
/** Of `shaka.util.Error.Code` and `Severity`. */
const OPERATION_ABORTED = 7001;
const RECOVERABLE = 1;
const DECISIONS_KEPT = 500;
const BUFFER_S = 60;
/** At 400 ms a round trip, one request at a time leaves half the line idle. */
const AHEAD = 2;
/** With less in the buffer than this, the segment that is needed next has the line to itself. */
const AHEAD_FROM_S = 1.5;

/** shaka-player, with every byte fetched by our own MediaNetwork. */
export class ShakaEngine extends EventTarget implements Engine {
  readonly kind = 'shaka';
  readonly decisions: Decision[] = [];
  chosenQuality: string | null = null;
  private readonly player: shaka.Player;
  private readonly video: HTMLVideoElement;
  private readonly session: Session;
  private readonly connection: Connection;
  private ahead = 0;
  /** What the playlists had when they were read last; null while they are read. */
  private known: { tracks: number; complete: boolean } | null = null;

  private constructor(shaka: Shaka, video: HTMLVideoElement, session: Session, network: MediaNetwork) {
    super();
    this.video = video;
    this.session = session;
    this.connection = network.connection;
    this.player = new shaka.Player();
    this.player.configure(configuration(session, this.failed));
    this.player.configure({ abrFactory: abrFactory(shaka) });
    fetchWith(shaka, network);
    this.listen();
  }

  /** Make a player for `video`, of one of the builds of shaka-player. */
  static async attach(
    shaka: Shaka,
    video: HTMLVideoElement,
    session: Session,
    network: MediaNetwork,
  ): Promise<ShakaEngine> {
    shaka.polyfill.installAll();
    if ('SourceBuffer' in window) mendAbort(SourceBuffer.prototype);
    const engine = new ShakaEngine(shaka, video, session, network);
    await engine.player.attach(video);
    return engine;
  }

  async load(startS: number): Promise<void> {
    const { stored, now } = this.session;
    const { tracks, complete } = now;
    try {
      await this.player.load(stored || this.manifest(), startS, stored ? STORED : HLS);
    } catch (error) {
      throw asError(error);
    }
    this.openToTheEnd();
    this.known = { tracks, complete };
  }

  /**
   * Read the playlists again where they name more tracks, and once they are whole: some of them may have been read before
   * that and others after. One reading at a time: it pauses the film, which the next would take for the viewer's wish.
   */
  private readonly readMore = async (): Promise<void> => {
    const { tracks, complete } = this.session.now;
    if (!this.known || (tracks <= this.known.tracks && complete === this.known.complete)) return;
    this.known = null;
    try {
      await this.reload();
    } catch (error) {
      this.dispatchEvent(new CustomEvent('failed', { detail: asError(error) }));
    }
    this.known = { tracks, complete };
  };

  /** Load again from here on; the viewer's choices stay. */
  private async reload(): Promise<void> {
    const url = this.manifest();
    const ready = await this.player.preload(url, this.video.currentTime, HLS);
    const { paused, currentTime } = this.video; // another source pauses it
    if (ready) await this.player.load(ready, currentTime);
    else await this.player.load(url, currentTime, HLS);
    this.openToTheEnd();
    this.chooseQuality(this.chosenQuality);
    if (!paused) await this.video.play();
  }

  /** A film in the making is no live event: all of it that is made can be reached, however fast it is made. */
  private openToTheEnd(): void {
    if (this.player.isDynamic()) this.player.getManifest()?.presentationTimeline.setPresentationStartTime(0);
  }

  /** Absolute, as shaka-player resolves what a playlist names against it. */
  private manifest(): string {
    return new URL(this.session.now.hls_url, location.href).href;
  }

  async destroy(): Promise<void> {
    const { estimatedBandwidth } = this.player.getStats();
    if (estimatedBandwidth > 0) remember(estimatedBandwidth);
    this.connection.removeEventListener('change', this.troubled);
    this.session.removeEventListener('renewed', this.readMore);
    await this.player.destroy();
  }

  seekableEnd(): number {
    return this.player.seekRange().end;
  }

  qualities(): Quality[] {
    const byHeight = new Map<number, Quality>();
    for (const track of this.variants()) {
      const height = track.height ?? 0;
      const known = byHeight.get(height);
      if (!known || known.bitrateBps < track.bandwidth) {
        byHeight.set(height, { id: String(height), height, bitrateBps: track.bandwidth });
      }
    }
    return [...byHeight.values()].sort((a, b) => b.height - a.height);
  }

  chooseQuality(id: string | null): void {
    this.chosenQuality = id;
    this.player.configure('abr.enabled', id === null);
    if (id === null) return;
    const tracks = this.variants().filter((track) => String(track.height ?? 0) === id);
    const best = tracks.sort((a, b) => b.bandwidth - a.bandwidth)[0];
    if (best) this.player.selectVariantTrack(best, true, 2);
  }

  /** All pictures with the sound that is heard: low ones come with less of it, so that the track itself may differ. */
  private variants(): shaka.extern.Track[] {
    const all = this.player.getVariantTracks();
    const heard = all.find((one) => one.active);
    return all.filter((one) => !heard || (one.language === heard.language && one.label === heard.label));
  }

  audios(): Choice[] {
    return this.player.getAudioTracks().map((track) => ({
      id: audioId(track),
      label: track.label ?? track.language,
      language: track.language,
      active: track.active,
    }));
  }

  chooseAudio(id: string): void {
    const track = this.player.getAudioTracks().find((one) => audioId(one) === id);
    if (track) this.player.selectAudioTrack(track);
  }

  texts(): Choice[] {
    return this.player.getTextTracks().map((track) => ({
      id: String(track.id),
      label: track.label ?? track.language,
      language: track.language,
      active: track.active,
    }));
  }

  chooseText(id: string | null): void {
    const track = this.player.getTextTracks().find((one) => String(one.id) === id);
    this.player.selectTextTrack(track ?? null);
  }

  stats(): EngineStats {
    const found = this.player.getStats();
    return {
      bufferS: this.bufferS(),
      estimateBps: found.estimatedBandwidth || 0,
      bitrateBps: found.streamBandwidth || 0,
      height: found.height || 0,
      codecs: found.currentCodecs || '',
      droppedFrames: found.droppedFrames || 0,
      decodedFrames: found.decodedFrames || 0,
    };
  }

  private bufferS(): number {
    const at = this.video.currentTime;
    const range = this.player.getBufferedInfo().total.find((one) => one.start <= at + 0.1 && one.end >= at);
    return range ? range.end - at : 0;
  }

  private listen(): void {
    for (const name of ['waiting', 'seeking']) this.video.addEventListener(name, () => this.lookAhead(0));
    for (const name of ['playing', 'timeupdate']) this.video.addEventListener(name, () => this.lookAhead());
    this.connection.addEventListener('change', this.troubled);
    this.session.addEventListener('renewed', this.readMore);
    const tell = (name: string) => (): void => void this.dispatchEvent(new Event(name));
    const { player } = this;
    for (const name of ['adaptation', 'variantchanged']) player.addEventListener(name, () => this.decided());
    for (const name of ['trackschanged', 'textchanged', 'audiotrackschanged', 'loaded']) {
      player.addEventListener(name, tell('tracks'));
    }
    player.addEventListener('buffering', (event) => this.starves((event as Event & { buffering: boolean }).buffering));
    for (const name of ['waiting', 'playing', 'canplay']) {
      this.video.addEventListener(name, () => this.starves(name === 'waiting' || player.isBuffering()));
    }
    player.addEventListener('error', (event) => this.failed((event as Event & { detail: shaka.util.Error }).detail));
  }

  /** By shaka-player, or by the video alone: at the end of what is made, the former counts on nothing more. */
  private starves(yes: boolean): void {
    this.dispatchEvent(new CustomEvent('starving', { detail: yes }));
  }

  private readonly troubled = (): void => {
    if (this.connection.trouble !== 'none') this.lookAhead(0);
  };

  /** Fetch segments ahead of the one that is needed next, or none; left as it is while the buffer is neither. */
  private lookAhead(wanted = this.bufferS() >= AHEAD_FROM_S && this.connection.trouble === 'none' ? AHEAD : this.ahead): void {
    if (wanted === this.ahead) return;
    this.ahead = wanted;
    this.player.configure('streaming.segmentPrefetchLimit', wanted);
  }

  /** Which of the two events shaka sends says nothing of who chose: a height is by hand while one is chosen. */
  private decided(): void {
    const track = this.player.getVariantTracks().find((one) => one.active);
    if (track) {
      const { estimatedBandwidth } = this.player.getStats();
      this.decisions.push({
        atMs: Date.now(),
        positionS: this.video.currentTime,
        height: track.height ?? 0,
        bitrateBps: track.bandwidth,
        estimateBps: estimatedBandwidth || 0,
        bufferS: this.bufferS(),
        auto: this.chosenQuality === null,
      });
      if (this.decisions.length > DECISIONS_KEPT) this.decisions.shift();
    }
    this.dispatchEvent(new Event('quality'));
  }

  private readonly failed = (error: shaka.util.Error): void => {
    if (error.code === OPERATION_ABORTED) return;
    if (error.severity === RECOVERABLE) return;
    this.dispatchEvent(new CustomEvent('failed', { detail: asError(error) }));
  };
}

/** A word for a person, and the code for whoever helps them. */
export function asError(error: unknown): Error {
  const found = error as Partial<shaka.util.Error>;
  const told = (found?.data as unknown[] | undefined)?.find(
    (one): one is Refused | Problem => one instanceof Refused || one instanceof Problem,
  );
  if (told) return told;
  if (typeof found?.code !== 'number') return error instanceof Error ? error : new Error(String(error));
  return new Error(`code ${found.code}`);
}

function audioId(track: shaka.extern.AudioTrack): string {
  return [track.language, track.label, track.roles.join('+'), track.channelsCount].join('|');
}

function configuration(session: Session, failed: (error: shaka.util.Error) => void): object {
  const patient = { maxAttempts: 1, timeout: 0, stallTimeout: 0, connectionTimeout: 0 };
  return {
    manifest: {
      retryParameters: patient,
      raiseFatalErrorOnManifestUpdateRequestFailure: true, // the network gives up only on what is refused for good
      hls: { liveSegmentsDelay: 0 },
    },
    streaming: {
      retryParameters: patient,
      failureCallback: failed,
      loadTimeout: 1e9, // the network waits as long as it takes
      lowLatencyMode: false,
      bufferingGoal: BUFFER_S, // a tunnel of a minute goes unnoticed
      rebufferingGoal: 1,
      bufferBehind: 30,
      ignoreTextStreamFailures: true,
      segmentPrefetchLimit: 0, // until there is a picture, its segment has the line to itself
    },
    abr: {
      defaultBandwidthEstimate: startEstimate(gather(), Date.now()) * (session.now.start_share ?? 1), // a download may be older than the field
      bandwidthUpgradeTarget: 1, // the rule has its share in it
      bandwidthDowngradeTarget: 1,
      useNetworkInformation: false, // it knows only a bound, which the estimate has in it already
      switchInterval: 4,
      restrictToScreenSize: true,
    },
    cmcd: {
      enabled: !session.stored,
      useHeaders: false, // a query needs no preflight, which costs a round trip a segment
      sessionId: session.now.id,
      contentId: session.now.playable_id,
    },
  };
}
