import type shaka from 'shaka-player/dist/shaka-player.hls-es2021.js';
import { Arrivals } from './arrivals.ts';
import { nextRung } from './bitrate.ts';
import type { Shaka } from './shaka-network.ts';

/** Share of the estimate that the first quality is chosen from, before a segment was measured. */
const FIRST_SHARE = 0.95;

/** Makes shaka-player's AbrManager that goes by our rule; what a screen or a device excludes stays shaka-player's to say. */
export function abrFactory(shaka: Shaka): () => shaka.extern.AbrManager {
  return () => new (ourRule(shaka))() as shaka.extern.AbrManager;
}

function ourRule(shaka: Shaka): new () => unknown {
  return class extends shaka.abr.SimpleAbrManager {
    private readonly arrivals = new Arrivals();
    private video: HTMLMediaElement | null = null;
    private rungsBps: number[] = [];
    private lastBps = 0;
    private rate = 1;
    /** While a variant is chosen: what shaka-player is to believe the network carries. */
    private allowedBps: number | null = null;

    override setMediaElement(video: HTMLMediaElement | null): void {
      this.video = video;
      super.setMediaElement(video);
    }

    override setVariants(variants: shaka.extern.Variant[], isLowLatency: boolean): unknown {
      this.rungsBps = [...new Set(variants.map((one) => one.bandwidth))].sort((a, b) => a - b);
      return super.setVariants(variants, isLowLatency);
    }

    override playbackRateChanged(rate: number): void {
      this.rate = Math.abs(rate) || 1;
      super.playbackRateChanged(rate);
    }

    override segmentDownloaded(
      ms: number,
      bytes: number,
      allowSwitch: boolean,
      request?: shaka.extern.Request,
      context?: shaka.extern.RequestContext,
    ): void {
      if (context?.stream?.type !== 'audio') this.arrivals.note(request, bytes, ms);
      super.segmentDownloaded(ms, bytes, allowSwitch, request, context);
    }

    override getBandwidthEstimate(): number {
      return this.allowedBps ?? (super.getBandwidthEstimate() as number);
    }

    override chooseVariant(preferFastSwitching?: boolean): shaka.extern.Variant {
      const speedsBps = this.arrivals.speedsBps();
      this.allowedBps = speedsBps.length > 0 ? this.chosenBps(speedsBps) : this.getBandwidthEstimate() * FIRST_SHARE;
      try {
        const chosen = super.chooseVariant(preferFastSwitching);
        this.lastBps = chosen?.bandwidth ?? 0;
        return chosen;
      } finally {
        this.allowedBps = null;
      }
    }

    private chosenBps(speedsBps: number[]): number {
      const rungsBps = this.rungsBps.map((one) => one * this.rate);
      const rung = this.rungsBps.findLastIndex((one) => one <= this.lastBps);
      return rungsBps[nextRung(rungsBps, speedsBps, this.bufferS(), rung)] ?? 0;
    }

    private bufferS(): number {
      const { video } = this;
      if (!video) return 0;
      for (let at = 0; at < video.buffered.length; at += 1) {
        const end = video.buffered.end(at);
        if (video.buffered.start(at) <= video.currentTime + 0.1 && end >= video.currentTime) {
          return (end - video.currentTime) / this.rate;
        }
      }
      return 0;
    }
  };
}
