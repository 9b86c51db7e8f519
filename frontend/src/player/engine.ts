/** What the controls need of whatever plays: shaka-player over Media Source Extensions, or the browser itself. */

export interface Quality {
  id: string;
  height: number;
  bitrateBps: number;
}

export interface Choice {
  id: string;
  label: string;
  language: string;
  active: boolean;
}

/** One decision of the bitrate policy. */
export interface Decision {
  atMs: number;
  /** Seconds into the film. */
  positionS: number;
  height: number;
  bitrateBps: number;
  estimateBps: number;
  bufferS: number;
  auto: boolean;
}

export interface EngineStats {
  bufferS: number;
  estimateBps: number;
  bitrateBps: number;
  height: number;
  codecs: string;
  droppedFrames: number;
  decodedFrames: number;
}

/**
 * Dispatches `qualities`, `quality`, `tracks`, `starving` (CustomEvent of boolean: whether the film stands still for want
 * of data) and, when playback cannot go on, `failed` (CustomEvent of Error).
 */
export interface Engine extends EventTarget {
  readonly kind: 'shaka' | 'native';
  /** Ready to play from `startS`. */
  load(startS: number): Promise<void>;
  destroy(): Promise<void>;
  /** What of the film can be reached now, in seconds. */
  seekableEnd(): number;
  qualities(): Quality[];
  /** The id that the viewer chose; null while the policy decides. */
  readonly chosenQuality: string | null;
  chooseQuality(id: string | null): void;
  audios(): Choice[];
  chooseAudio(id: string): void;
  texts(): Choice[];
  chooseText(id: string | null): void;
  stats(): EngineStats;
  readonly decisions: readonly Decision[];
}
