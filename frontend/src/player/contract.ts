/** What the service says of a playback session; see `reelwright/playback/contract.py`. */

export interface Device {
  codecs: string[];
  max_height: number;
  mse: boolean;
  name: string;
  /** We change edges ourselves, by the list that heartbeats bring. */
  steers: boolean;
}

export interface ThumbnailOffer {
  names: string[];
  columns: number;
  rows: number;
  tile_width: number;
  tile_height: number;
  interval_s: number;
}

export interface NextPlayable {
  playable_id: string;
  name: string;
  url: string;
}

export interface PlaybackSession {
  id: string;
  playable_id: string;
  title_id: string;
  name: string;
  duration_s: number;
  resume_s: number;
  complete: boolean;
  hls_url: string;
  dash_url: string;
  media_bases: string[];
  expires_s: number;
  /** How many tracks the playlists name; while the title encodes there come more. */
  tracks: number;
  /** The playlist that edges make by themselves; empty while none is registered, or the title still encodes. */
  edge_hls_url: string;
  heartbeat_s: number;
  /** The share of the estimated throughput that the first quality is chosen from. */
  start_share: number;
  thumbnails: ThumbnailOffer | null;
  next: NextPlayable | null;
}

/** What edges answer to content steering, as far as it is used here; see `reelwright/cdn/core/steering.py`. */
export interface Steering {
  TTL: number;
  'PATHWAY-PRIORITY': string[];
  'PATHWAY-CLONES'?: { ID: string; 'URI-REPLACEMENT': { HOST?: string } }[];
}

/** Edges that served us since the last heartbeat, and those that failed. */
export interface Felt {
  worked: string[];
  failed: string[];
}

export interface Heartbeat {
  media_bases: string[];
  expires_s: number;
  complete: boolean;
  tracks: number;
  thumbnails: ThumbnailOffer | null;
}
