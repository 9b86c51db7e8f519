import { html, LitElement, nothing, type PropertyValues, type TemplateResult } from 'lit';
import { Problem } from '../api.ts';
import { directionOf } from '../navigation/geometry.ts';
import { focusables, move } from '../navigation/spatial.ts';
import { readPreference, writePreference } from '../preferences.ts';
import { cueStyle, parseAppearance, placeCue, type Appearance } from './appearance.ts';
import { connection, startOf } from './beginning.ts';
import { icon } from './icons.ts';
import { commandOf, SEEK_S, type Command, type Place } from './keys.ts';
import { Refused } from './media-network.ts';
import { announce, place } from './media-session.ts';
import { menuTemplate, SPEEDS, type Menu, type MenuModel } from './menu.ts';
import { Playback } from './playback.ts';
import type { StoredSession } from './session.ts';
import { styles } from './styles.ts';
import { Thumbnails } from './thumbnails.ts';

const QUIET_MS = 1500;
const CREDITS_MOST_S = 15;
const CREDITS_SHARE = 0.1;
const FRAME_S = 1 / 24;
const CONTROLS_LATEST_MS = 6000;

interface Preferences {
  text: string | null;
  audio: string | null;
  speed: number;
  volume: number;
}

/** The player: a film or an episode, edge to edge, with its controls. */
export class RwPlayer extends LitElement {
  static override styles = styles;
  static override properties = {
    playable: {},
    name: {},
    subtitle: {},
    back: {},
    poster: {},
    language: {},
    stored: { attribute: false },
    problem: { state: true },
    signedOut: { state: true },
    notice: { state: true },
    silenced: { state: true },
    waits: { state: true },
    menu: { state: true },
    why: { state: true },
    leftS: { state: true },
    tick: { state: true },
    look: { state: true },
  };

  declare playable: string;
  declare name: string;
  declare subtitle: string;
  declare back: string;
  declare poster: string;
  declare language: string;
  /** A film that is kept on the device, to be played instead of asking the service. */
  declare stored: StoredSession | null;
  declare private problem: string;
  declare private signedOut: boolean;
  declare private notice: string;
  declare private silenced: boolean;
  declare private waits: boolean;
  declare private menu: Menu | null;
  declare private why: boolean;
  declare private leftS: number | null;
  declare private tick: number;
  declare private look: Appearance;

  /** What plays now; for tests and the curious. */
  playback: Playback | null = null;
  private readonly ended = new AbortController();
  private noticeTimer: ReturnType<typeof setTimeout> | null = null;
  private troubleTimer: ReturnType<typeof setTimeout> | null = null;
  private dismissed = false;
  /** As chosen; shaka sets the rate of the video itself to 0 while it waits for data. */
  private speed = 1;
  private opener: HTMLElement | null = null;
  private thumbnails: Thumbnails | null = null;

  constructor() {
    super();
    this.playable = this.name = this.subtitle = this.back = this.poster = this.language = '';
    this.problem = this.notice = '';
    this.signedOut = this.silenced = this.waits = this.why = false;
    this.menu = null;
    this.stored = null;
    this.leftS = null;
    this.tick = 0;
    this.look = parseAppearance(readPreference('subtitles'));
  }

  override connectedCallback(): void {
    super.connectedCallback();
    const options = { signal: this.ended.signal };
    document.addEventListener('keydown', (event) => this.keyDown(event), { ...options, capture: true });
    connection.addEventListener('change', () => this.troubled(), options);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.ended.abort();
    void this.playback?.close();
    this.playback = null;
  }

  override focus(options?: FocusOptions): void {
    this.controller?.focus(options);
  }

  protected override firstUpdated(): void {
    const { video } = this;
    for (const name of ['playing', 'pointermove', 'keydown']) this.renderRoot.addEventListener(name, this.showControls, { capture: true });
    setTimeout(this.showControls, CONTROLS_LATEST_MS);
    const on = (name: string, act: () => void): void => video.addEventListener(name, act);
    on('timeupdate', () => this.moved());
    on('ended', () => this.next(true));
    on('volumechange', () => this.volumeChanged());
    video.textTracks.addEventListener('addtrack', (event) => this.placeCues(event.track));
    void this.open(this.playable, startOf(location.search));
    this.focus();
  }

  protected override updated(changed: PropertyValues): void {
    if (changed.has('menu')) {
      if (this.menu) (this.within('.panel [aria-checked="true"]') ?? this.within('.panel button'))?.focus();
      else if (changed.get('menu')) (this.opener ?? this).focus();
    }
  }

  protected override render(): TemplateResult {
    return html`
      <style>${cueStyle(this.look)}</style>
      <media-controller tabindex="0" nohotkeys autohide="2" defaultstreamtype="on-demand" aria-label="Player: ${this.name}" @dblclick=${this.doubleClick} @pointerup=${this.pointerUp}>
        <video slot="media" playsinline crossorigin="use-credentials">
          ${this.thumbnails?.track ? html`<track kind="metadata" label="thumbnails" default src=${this.thumbnails.track}>` : nothing}
        </video>
        <media-loading-indicator slot="centered-chrome" noautohide loadingdelay="600" ?medialoading=${this.waits}></media-loading-indicator>
        <div slot="top-chrome" class="top">
          <a href=${this.back || '/'} aria-label="Back to ${this.name}">${icon('back')}</a>
          <p class="name">${this.name}${this.subtitle ? html`<small>${this.subtitle}</small>` : nothing}</p>
        </div>
        <div class="bottom" @pointerenter=${() => void this.thumbnails?.load().catch(() => undefined)}>${this.controls()}</div>
      </media-controller>
      ${this.silenced ? this.unmute() : nothing}
      ${this.leftS !== null ? this.countdown() : nothing}
      ${this.menu && this.playback ? menuTemplate(this.menu, this.model(this.playback)) : nothing}
      ${this.why && this.playback ? html`<rw-why .playback=${this.playback} .video=${this.video}></rw-why>` : nothing}
      ${this.notice ? html`<p class="over notice">${this.notice}</p>` : nothing}
      <div class="live" role="status" aria-live="polite">${this.notice}</div>
      ${this.message()}
    `;
  }

  /** Once there is a picture, or somebody wants them; on a slow line the picture comes first. */
  private readonly showControls = (): void => {
    document.body.classList.add('playing');
    void import('./controls.ts').then(() => {
      if (this.controller) Object.assign(this.controller, { fullscreenElement: this });
    });
  };

  private controls(): TemplateResult {
    const { playback } = this;
    const next = playback?.session.now.next;
    return html`
      <media-control-bar class="line"><media-time-range></media-time-range></media-control-bar>
      <media-control-bar>
        <media-play-button notooltip></media-play-button>
        <media-seek-backward-button seekoffset="10" notooltip></media-seek-backward-button>
        <media-seek-forward-button seekoffset="10" notooltip></media-seek-forward-button>
        <media-mute-button notooltip></media-mute-button>
        <media-volume-range></media-volume-range>
        <media-time-display showduration notoggle></media-time-display>
        <span class="gap"></span>
        ${next ? html`<button class="icon" aria-label="Next: ${next.name}" @click=${() => this.next(false)}>${icon('next')}</button>` : nothing}
        <button class="icon" aria-label="Audio and subtitles" aria-haspopup="dialog" aria-expanded=${this.menu === 'subtitles' ? 'true' : 'false'} @click=${(event: Event) => this.openMenu('subtitles', event)}>${icon('captions')}</button>
        <button class="icon" aria-label="Quality and speed" aria-haspopup="dialog" aria-expanded=${this.menu === 'settings' ? 'true' : 'false'} @click=${(event: Event) => this.openMenu('settings', event)}>${icon('settings')}</button>
        <media-pip-button notooltip></media-pip-button>
        <media-fullscreen-button notooltip></media-fullscreen-button>
      </media-control-bar>
    `;
  }

  private unmute(): TemplateResult {
    return html`<button class="over unmute button primary" @click=${this.soundOn}>${icon('sound')} Turn the sound on</button>`;
  }

  private countdown(): TemplateResult {
    const next = this.playback?.session.now.next;
    if (!next) return html``;
    return html`
      <div class="over corner card" role="group" aria-label="Next episode">
        <p>Next${this.leftS ? html` in ${this.leftS} s` : nothing}: <b>${next.name}</b></p>
        <div class="buttons">
          <button class="button primary" @click=${() => this.next(false)}>Play now</button>
          <button class="button" @click=${this.dismiss}>Not now</button>
        </div>
      </div>
    `;
  }

  private message(): TemplateResult | typeof nothing {
    if (this.signedOut) {
      const back = `${location.pathname}?t=${Math.floor(this.video?.currentTime ?? 0)}`;
      return html`
        <div class="over message" role="alert">
          <h2>Sign in again to go on watching</h2>
          <p>You have been signed out. Your place in the film is kept.</p>
          <a class="button primary" href="/sign-in?next=${encodeURIComponent(back)}">Sign in</a>
        </div>
      `;
    }
    if (this.problem) {
      return html`
        <div class="over message" role="alert">
          <h2>This cannot be played</h2>
          <p>${this.problem}</p>
          <p><button class="button primary" @click=${() => void this.open(this.playable, this.video.currentTime)}>Try again</button>
          <a class="button" href=${this.back || '/'}>Back</a></p>
        </div>
      `;
    }
    return nothing;
  }

  // Opening

  /** Play another playable in this element. */
  async open(playable: string, startS?: number): Promise<void> {
    this.problem = '';
    this.leftS = null;
    this.dismissed = false;
    await this.playback?.close();
    this.playback = null;
    this.thumbnails?.close();
    this.thumbnails = null;
    try {
      this.playback = this.stored
        ? await Playback.openStored(this.video, this.stored, startS)
        : await Playback.open(this.video, playable, startS);
    } catch (error) {
      if (error instanceof Problem && error.status === 401) this.signedOut = true;
      else this.problem = explain(error);
      return;
    }
    this.playable = playable;
    this.follow(this.playback);
    await this.start();
  }

  private follow(playback: Playback): void {
    const { engine, session } = playback;
    const redraw = (): void => void (this.tick += 1);
    playback.addEventListener('failed', (event) => this.giveUp((event as CustomEvent<Error>).detail));
    playback.addEventListener('signed-out', () => this.signOut());
    playback.addEventListener('signed-in', () => (this.signedOut = false));
    engine.addEventListener('quality', redraw);
    engine.addEventListener('starving', (event) => this.starves((event as CustomEvent<boolean>).detail));
    engine.addEventListener('tracks', () => this.applyPreferences());
    this.thumbnails = thumbnailsOf(playback, redraw);
    session.addEventListener('renewed', () => (this.thumbnails ??= thumbnailsOf(playback, redraw)), { signal: playback.signal });
    announce(`${this.name}${this.subtitle ? ` · ${this.subtitle}` : ''}`, this.poster, {
      play: () => void this.video.play(),
      pause: () => this.video.pause(),
      seek: (by) => this.seek(by),
      jump: (to) => this.jump(to),
      next: session.now.next ? () => this.next(false) : null,
    });
    if (playback.startedAtS > 0) this.say(`Resumed at ${clock(playback.startedAtS)}. Press 0 to start over.`);
    redraw();
  }

  /** Browsers let a page begin with sound only after a gesture: without one it begins muted, and says so. */
  private async start(): Promise<void> {
    const { video } = this;
    const preferences = readPreferences();
    video.volume = preferences.volume;
    this.speed = preferences.speed;
    video.defaultPlaybackRate = video.playbackRate = this.speed; // the default holds when the source is loaded again
    try {
      await video.play();
    } catch (error) {
      if ((error as DOMException).name !== 'NotAllowedError') return;
      video.muted = true;
      this.silenced = true;
      await video.play().catch(() => (this.silenced = false));
    }
  }

  private applyPreferences(): void {
    const { engine } = this.playback ?? {};
    if (!engine) return;
    const { text, audio } = readPreferences();
    const texts = engine.texts();
    const wantedText = texts.find((one) => one.language === text);
    if (wantedText && !texts.some((one) => one.active)) engine.chooseText(wantedText.id);
    const audios = engine.audios();
    const wantedAudio = audios.find((one) => one.language === (audio ?? this.language));
    const active = audios.find((one) => one.active);
    if (wantedAudio && active && active.language !== wantedAudio.language) engine.chooseAudio(wantedAudio.id);
    this.tick += 1;
  }

  // What happens while it plays

  private moved(): void {
    const { session } = this.playback ?? {};
    if (!session) return;
    const { duration_s, next } = session.now;
    place(this.video, duration_s);
    if (!next || this.dismissed) return;
    const left = duration_s - this.video.currentTime;
    const credits = Math.min(CREDITS_MOST_S, duration_s * CREDITS_SHARE);
    this.leftS = left <= credits ? Math.max(0, Math.ceil(left / this.speed)) : null;
  }

  private next(ended: boolean): void {
    const next = this.playback?.session.now.next;
    if (!next || (ended && this.dismissed)) return;
    history.replaceState(null, '', next.url);
    this.subtitle = next.name.replace(`${this.name} · `, '');
    document.title = next.name;
    void this.open(next.playable_id);
    this.focus();
  }

  private readonly dismiss = (): void => {
    this.dismissed = true;
    this.leftS = null;
    this.focus();
  };

  private signOut(): void {
    this.signedOut = true;
    this.video.pause();
  }

  private giveUp(error: Error): void {
    this.problem = explain(error);
    this.video.pause();
  }

  private starves(yes: boolean): void {
    this.waits = yes;
    this.troubled();
  }

  /** Trouble that lasts is told, quietly; trouble that passes is not. */
  private troubled(): void {
    if (TROUBLES.includes(this.notice) && this.notice !== this.trouble()) this.notice = '';
    if (this.stored || (connection.trouble === 'none' && !this.waits)) {
      if (this.troubleTimer) clearTimeout(this.troubleTimer);
      this.troubleTimer = null;
      return;
    }
    this.troubleTimer ??= setTimeout(() => {
      this.troubleTimer = null;
      this.notice = this.trouble() || this.notice;
      this.troubled();
    }, QUIET_MS);
  }

  private trouble(): string {
    if (this.stored) return ''; // it needs no network
    if (connection.trouble === 'offline') return OFFLINE;
    if (connection.trouble === 'unreachable') return UNREACHABLE;
    return this.waits && this.playback?.awaitsEncoder ? PREPARING : '';
  }

  /** Say something for a moment, to eyes and to screen readers. */
  private say(text: string, ms = 4000): void {
    this.notice = text;
    if (this.noticeTimer) clearTimeout(this.noticeTimer);
    this.noticeTimer = setTimeout(() => {
      if (this.notice === text) this.notice = '';
    }, ms);
  }

  // Commands

  private keyDown(event: KeyboardEvent): void {
    const path = event.composedPath();
    const target = path[0];
    if (!(target instanceof HTMLElement)) return;
    const inside = path.includes(this) || target === document.body || target === document.documentElement;
    if (!inside) return;
    if (event.key === 'Escape') {
      if (this.closeSomething()) event.preventDefault();
      return;
    }
    const where = this.placeOf(target, path);
    const direction = directionOf(event.key);
    if (direction && !event.shiftKey && where === 'control') {
      if (this.arrow(target, event.key, direction)) stop(event);
      return;
    }
    const command = commandOf(event, where);
    if (!command) return;
    stop(event);
    this.run(command);
  }

  private placeOf(target: HTMLElement, path: readonly EventTarget[]): Place {
    if (target.matches('input:not([type=range]), textarea, select')) return 'text';
    if (target === document.body || target === document.documentElement) return 'picture';
    return target === this || path[0] === this.controller || target === this.video ? 'picture' : 'control';
  }

  /** An arrow on a control: sliders slide, everything else moves the focus. */
  private arrow(target: HTMLElement, key: string, direction: 'left' | 'right' | 'up' | 'down'): boolean {
    const slider = (target.getRootNode() as ShadowRoot).host ?? target;
    const sideways = direction === 'left' || direction === 'right';
    const sign = key === 'ArrowRight' ? 1 : -1;
    if (sideways && slider.localName === 'media-time-range') {
      this.seek(sign * SEEK_S);
      return true;
    }
    if (sideways && slider.localName === 'media-volume-range') {
      this.louder(sign * 0.05);
      return true;
    }
    const panel = this.within('.panel') ?? (this.signedOut || this.problem ? this.within('.message') : null);
    const moved = move(direction, panel ?? this.renderRoot);
    if (!moved && !panel && direction === 'up') this.focus();
    return true;
  }

  private run(command: Command): void {
    const { video } = this;
    switch (command.do) {
      case 'toggle':
        if (video.paused) void video.play();
        else video.pause();
        break;
      case 'play':
        void video.play();
        break;
      case 'pause':
        video.pause();
        break;
      case 'seek':
        this.seek(command.by);
        break;
      case 'jump':
        this.jump(command.share * this.lengthS());
        break;
      case 'step':
        if (video.paused) video.currentTime += command.by * FRAME_S;
        break;
      case 'volume':
        this.louder(command.by);
        break;
      case 'mute':
        video.muted = !video.muted;
        this.silenced = false;
        this.say(video.muted ? 'Sound off' : 'Sound on', 1500);
        break;
      case 'speed':
        this.chooseSpeed(SPEEDS[SPEEDS.findIndex((speed) => speed === this.speed) + command.by] ?? this.speed);
        break;
      case 'captions':
        this.toggleText();
        break;
      case 'fullscreen':
        void this.toggleFullscreen();
        break;
      case 'why':
        void this.toggleWhy();
        break;
      case 'help':
        this.openMenu('help');
        break;
      case 'next':
        this.next(false);
        break;
      case 'controls':
        this.wake();
        focusables(this.renderRoot).find((one) => one.localName === 'media-play-button')?.focus();
        break;
      case 'leave':
        if (!this.closeSomething()) location.assign(this.back || '/');
        break;
    }
    this.wake();
  }

  private seek(byS: number): void {
    this.jump(this.video.currentTime + byS);
    this.say(`${byS > 0 ? 'Forward' : 'Back'} ${Math.abs(byS)} seconds, at ${clock(this.video.currentTime)} of ${clock(this.lengthS())}`, 1500);
  }

  private jump(toS: number): void {
    const end = this.playback?.session.now.complete === false ? this.playback.engine.seekableEnd() : this.lengthS();
    this.video.currentTime = Math.max(0, Math.min(toS, end - 0.1));
  }

  private lengthS(): number {
    return this.playback?.session.now.duration_s ?? 0;
  }

  private louder(by: number): void {
    this.video.volume = Math.min(1, Math.max(0, Math.round((this.video.volume + by) * 100) / 100));
    if (by > 0) this.video.muted = false;
    this.say(`Volume ${Math.round(this.video.volume * 100)} %`, 1500);
  }

  private volumeChanged(): void {
    if (!this.video.muted) this.silenced = false;
    writePreferences({ volume: this.video.volume });
  }

  private readonly soundOn = (): void => {
    this.video.muted = false;
    this.silenced = false;
    this.focus();
  };

  private chooseSpeed(speed: number): void {
    this.speed = speed;
    this.video.defaultPlaybackRate = this.video.playbackRate = speed;
    writePreferences({ speed });
    this.say(`Speed ${speed === 1 ? 'normal' : `${speed} times`}`, 1500);
    this.tick += 1;
  }

  private toggleText(): void {
    const texts = this.playback?.engine.texts() ?? [];
    if (texts.length === 0) this.say('This film has no subtitles', 2000);
    else if (texts.some((one) => one.active)) this.chooseText(null);
    else this.chooseText(texts.find((one) => one.language === readPreferences().text) ?? texts.find((one) => one.language === this.language) ?? texts[0] ?? null);
  }

  private chooseText(choice: { id: string; label: string; language: string } | null): void {
    this.playback?.engine.chooseText(choice?.id ?? null);
    writePreferences({ text: choice?.language ?? null });
    this.say(choice ? `Subtitles: ${choice.label}` : 'Subtitles off', 1500);
    this.tick += 1;
  }

  private async toggleFullscreen(): Promise<void> {
    if (document.fullscreenElement) await document.exitFullscreen();
    else await this.requestFullscreen().catch(() => undefined);
  }

  private async toggleWhy(): Promise<void> {
    if (!this.why) await import('./rw-why.ts');
    this.why = !this.why;
  }

  private openMenu(menu: Menu, event?: Event): void {
    this.opener = event?.currentTarget instanceof HTMLElement ? event.currentTarget : null;
    this.menu = this.menu === menu ? null : menu;
  }

  private closeSomething(): boolean {
    if (this.menu) this.menu = null;
    else if (this.why) this.why = false;
    else if (this.leftS !== null) this.dismiss();
    else if (document.fullscreenElement) void document.exitFullscreen();
    else return false;
    return true;
  }

  private model(playback: Playback): MenuModel {
    const again = (): void => void (this.tick += 1);
    return {
      engine: playback.engine,
      speed: this.speed,
      look: this.look,
      chooseSpeed: (speed) => this.chooseSpeed(speed),
      chooseText: (choice) => this.chooseText(choice),
      chooseAudio: (choice) => {
        playback.engine.chooseAudio(choice.id);
        writePreferences({ audio: choice.language });
        this.say(`Audio: ${choice.label}`, 1500);
        again();
      },
      chooseQuality: (id) => {
        playback.engine.chooseQuality(id);
        this.say(id === null ? 'Quality: automatic' : `Quality: ${id}p`, 1500);
        again();
      },
      changeLook: (change) => {
        this.look = { ...this.look, ...change };
        writePreference('subtitles', this.look);
        for (const track of Array.from(this.video.textTracks)) this.placeCues(track);
      },
      close: () => (this.menu = null),
    };
  }

  private placeCues(track: TextTrack | null): void {
    if (!track || track.kind === 'metadata') return;
    const placed = (): void => {
      for (const cue of Array.from(track.activeCues ?? [])) placeCue(cue as VTTCue, this.look);
    };
    track.oncuechange = placed;
    placed();
  }

  // The picture

  private readonly doubleClick = (event: MouseEvent): void => {
    if (event.composedPath()[0] === this.video || event.target === this.controller) void this.toggleFullscreen();
  };

  /** A click on a control leaves the keys with the picture; who moves by keys keeps the focus where it is. */
  private readonly pointerUp = (): void => {
    setTimeout(() => {
      if (!this.menu) this.focus();
    }, 0);
  };

  /** Show the controls for their two seconds. */
  private wake(): void {
    this.controller?.dispatchEvent(new PointerEvent('pointermove', { bubbles: true, pointerType: 'mouse' }));
  }

  private get controller(): HTMLElement | null {
    return this.renderRoot?.querySelector<HTMLElement>('media-controller') ?? null;
  }

  private get video(): HTMLVideoElement {
    return this.renderRoot.querySelector('video') as HTMLVideoElement;
  }

  private within(selector: string): HTMLElement | null {
    return this.renderRoot.querySelector<HTMLElement>(selector);
  }
}

const OFFLINE = 'You are offline. The film goes on by itself when the network is back.';
const UNREACHABLE = 'The service cannot be reached just now. The film goes on by itself.';
const PREPARING = 'This film is still being prepared. It goes on by itself as soon as there is more of it.';
const TROUBLES = [OFFLINE, UNREACHABLE, PREPARING];

function thumbnailsOf(playback: Playback, changed: () => void): Thumbnails | null {
  const { session, network } = playback;
  const { thumbnails, duration_s } = session.now;
  if (!thumbnails) return null;
  const fetchSheet = async (name: string): Promise<ArrayBuffer> =>
    (await network.get(session.urls.address(name), playback.signal)).data;
  return new Thumbnails(thumbnails, duration_s, fetchSheet, changed);
}

function stop(event: Event): void {
  event.preventDefault();
  event.stopPropagation();
}

function explain(error: unknown): string {
  if (error instanceof Refused || (error instanceof Problem && error.status === 404)) {
    return 'It has been removed, or this profile may no longer watch it.';
  }
  if (error instanceof Problem) return error.message;
  return `The browser could not play it (${error instanceof Error ? error.message : String(error)}).`;
}

/** `1:02:03`. */
function clock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (value: number): string => String(value).padStart(2, '0');
  const minutes = Math.floor(whole / 60) % 60;
  return whole >= 3600 ? `${Math.floor(whole / 3600)}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

function readPreferences(): Preferences {
  const plain: Preferences = { text: null, audio: null, speed: 1, volume: 1 };
  try {
    return { ...plain, ...(JSON.parse(readPreference('player') ?? '{}') as Partial<Preferences>) };
  } catch {
    return plain;
  }
}

function writePreferences(change: Partial<Preferences>): void {
  writePreference('player', { ...readPreferences(), ...change });
}

customElements.define('rw-player', RwPlayer);
