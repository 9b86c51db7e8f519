import { css, html, LitElement, unsafeCSS, type TemplateResult } from 'lit';
import uPlot from 'uplot';
import plotStyles from 'uplot/dist/uPlot.min.css?inline';
import { Flags } from '../flags.ts';
import type { EngineStats } from './engine.ts';
import type { Sample } from './media-network.ts';
import { edgeOf } from './media-urls.ts';
import { megabits } from './menu.ts';
import type { Playback } from './playback.ts';

const EVERY_MS = 500;
const KEPT = 240;
const WIDTH = 340;
const HEIGHT = 110;
const DECISIONS_SHOWN = 5;

/** Why this quality: edge, buffer, throughput and the bitrate policy's decisions, live. */
export class RwWhy extends LitElement {
  static override properties = { playback: { attribute: false }, video: { attribute: false }, tick: { state: true } };
  static override styles = [
    unsafeCSS(plotStyles),
    css`
      :host {
        display: block; box-sizing: border-box; inline-size: 372px; max-inline-size: calc(100% - 24px); max-block-size: calc(100% - 192px);
        overflow: auto; padding: 12px 16px; border-radius: 8px; background: rgb(11 11 13 / 88%); color: #f3f1ec; font-size: 13px;
      }
      h2 { margin: 0 0 8px; font-size: 15px; }
      h3 { margin: 12px 0 4px; font-size: 13px; font-weight: 400; color: #a9a6a0; }
      dl { display: grid; grid-template-columns: auto 1fr; gap: 2px 12px; margin: 0; }
      dt { color: #a9a6a0; }
      dd { margin: 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
      ol { margin: 0; padding-inline-start: 0; list-style: none; font-variant-numeric: tabular-nums; }
      .key { display: inline-block; inline-size: 10px; block-size: 3px; vertical-align: middle; margin-inline: 8px 4px; }
    `,
  ];

  declare playback: Playback;
  declare video: HTMLVideoElement;
  declare private tick: number;

  private readonly times: number[] = [];
  private readonly estimates: (number | null)[] = [];
  private readonly bitrates: (number | null)[] = [];
  private readonly buffers: number[] = [];
  private rates: uPlot | null = null;
  private depth: uPlot | null = null;
  private timer: ReturnType<typeof setInterval> | null = null;
  private last: Sample | null = null;
  private bytes = 0;
  private readonly flags = new Flags();

  constructor() {
    super();
    this.tick = 0;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.timer = setInterval(() => this.look(), EVERY_MS);
    this.flags.refresh().catch(() => undefined); // the panel does without
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    if (this.timer) clearInterval(this.timer);
    this.rates?.destroy();
    this.depth?.destroy();
  }

  protected override firstUpdated(): void {
    this.playback.network.addEventListener('sample', this.sampled);
    const root = this.renderRoot;
    this.rates = new uPlot(options('Mb/s', ['#ffb545', '#6fb7ff']), [[], [], []], root.querySelector('.rates') as HTMLElement);
    this.depth = new uPlot(options('s', ['#6fcf97']), [[], []], root.querySelector('.depth') as HTMLElement);
    this.look();
  }

  protected override render(): TemplateResult {
    const { engine, qoe, session } = this.playback;
    const stats = engine.stats();
    const decisions = engine.decisions.slice(-DECISIONS_SHOWN).reverse();
    return html`
      <section aria-label="Why this quality">
        <h2>Why this quality</h2>
        <dl>
          <dt>Now</dt><dd>${stats.height ? `${stats.height}p, ` : ''}${megabits(stats.bitrateBps)} ${stats.codecs}</dd>
          <dt>Because</dt><dd>${reason(stats, engine.chosenQuality, engine.kind)}</dd>
          <dt>Edge</dt><dd>${this.last ? edgeOf(this.last.address) : 'nothing fetched yet'}</dd>
          <dt>Last fetch</dt><dd>${this.last ? fetched(this.last) : ''}</dd>
          <dt>Buffer</dt><dd>${stats.bufferS.toFixed(1)} s</dd>
          <dt>Start, stalls</dt><dd>${qoe.startMs === null ? 'not yet' : `${qoe.startMs} ms`}, ${qoe.stalls}</dd>
          <dt>Frames</dt><dd>${stats.decodedFrames} decoded, ${stats.droppedFrames} dropped</dd>
          <dt>Fetched</dt><dd>${(this.bytes / 1e6).toFixed(1)} MB since this panel opened</dd>
          ${this.flags.chosen.map((one) => html`<dt>Experiment</dt><dd>${one.metadata?.['experiment']}: ${one.variant}, ${one.key} ${String(one.value)}</dd>`)}
          <dt>Session</dt><dd>${session.now.id}</dd>
        </dl>
        <h3><span class="key" style="background:#ffb545"></span>throughput <span class="key" style="background:#6fb7ff"></span>chosen</h3>
        <div class="rates" aria-hidden="true"></div>
        <h3><span class="key" style="background:#6fcf97"></span>buffer</h3>
        <div class="depth" aria-hidden="true"></div>
        <h3>Decisions</h3>
        <ol>${decisions.length
          ? decisions.map((one) => html`<li>${one.positionS.toFixed(1)} s: ${one.height}p, ${megabits(one.bitrateBps)} at ${megabits(one.estimateBps)}, ${one.bufferS.toFixed(0)} s ahead${one.auto ? '' : ', chosen by hand'}</li>`)
          : html`<li>None since the start.</li>`}
        </ol>
      </section>
    `;
  }

  private readonly sampled = (event: Event): void => {
    const sample = (event as CustomEvent<Sample>).detail;
    if (!sample.media) return;
    this.last = sample;
    this.bytes += sample.bytes;
  };

  private look(): void {
    const stats = this.playback.engine.stats();
    push(this.times, Date.now() / 1000);
    push(this.estimates, stats.estimateBps ? stats.estimateBps / 1e6 : null);
    push(this.bitrates, stats.bitrateBps ? stats.bitrateBps / 1e6 : null);
    push(this.buffers, stats.bufferS);
    this.rates?.setData([this.times, this.estimates, this.bitrates]);
    this.depth?.setData([this.times, this.buffers]);
    this.tick += 1;
  }
}

function push<T>(list: T[], value: T): void {
  list.push(value);
  if (list.length > KEPT) list.shift();
}

function reason(stats: EngineStats, chosen: string | null, kind: string): string {
  if (kind === 'native') return 'the browser chooses by itself';
  if (chosen !== null) return 'you chose it';
  if (!stats.estimateBps) return 'nothing has been measured yet: it begins low, to begin soon';
  return `the line carries about ${megabits(stats.estimateBps)}`;
}

function fetched(sample: Sample): string {
  const rate = sample.elapsedMs > 0 ? (sample.bytes * 8000) / sample.elapsedMs : 0;
  return `${(sample.bytes / 1000).toFixed(0)} kB in ${sample.elapsedMs.toFixed(0)} ms (first byte ${sample.firstByteMs.toFixed(0)} ms), ${megabits(rate)}`;
}

function options(unit: string, colours: readonly string[]): uPlot.Options {
  const axis = { stroke: '#a9a6a0', grid: { stroke: 'rgb(255 255 255 / 12%)', width: 1 }, ticks: { show: false }, size: 40 };
  return {
    width: WIDTH,
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    scales: { y: { range: (_plot, _low, high) => [0, Math.max(1, high * 1.1)] } },
    axes: [{ ...axis, show: false }, { ...axis, values: (_plot, ticks) => ticks.map((tick) => `${tick} ${unit}`), size: 62 }],
    series: [{}, ...colours.map((stroke) => ({ stroke, width: 2, points: { show: false } }))],
  };
}

customElements.define('rw-why', RwWhy);
