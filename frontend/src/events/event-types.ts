/** Written by `make docs` from the events' schema; edit there. */

/** What `page_view` carries. */
export interface PageViewData {
  /** which page, by its path or name */
  page: string;
}

/** What `impression` carries. */
export interface ImpressionData {
  /** the row's key */
  row: string;
  /** place in the row, 0 the first */
  position: number;
  /** the row's place on the page, 0 the uppermost */
  row_index?: number;
  /** which page */
  page?: string;
  /** what ranked it, with its version */
  policy?: string;
  /** probability that the policy put it there */
  propensity?: number;
}

/** What `play` carries. */
export interface PlayData {
  /** how long the playable is */
  duration_s?: number;
  /** request to first frame */
  start_ms?: number;
  /** what plays it */
  engine?: string;
}

/** What `heartbeat` and `stop` carry. */
export interface ProgressData {
  /** how long the playable is */
  duration_s?: number;
  /** played since the session began, stalls apart */
  watched_ms?: number;
  /** stalls since the session began */
  stalls?: number;
  /** waited in stalls since the session began */
  stalled_ms?: number;
  /** request to first frame */
  start_ms?: number;
  /** average of what was played */
  bitrate_bps?: number;
  /** the edge that serves it */
  edge?: string;
  /** kind of device */
  device?: string;
}

/** What `seek` carries. */
export interface SeekData {
  /** how long the playable is */
  duration_s?: number;
  /** where the viewer came from */
  from_s?: number;
}

/** What `quality_change` carries. */
export interface QualityChangeData {
  /** of the rendition that plays now */
  bitrate_bps: number;
  /** its picture's height */
  height?: number;
  /** how long the playable is */
  duration_s?: number;
}

/** What `stall` carries. */
export interface StallData {
  /** how long */
  ms: number;
  /** how long the playable is */
  duration_s?: number;
}

/** What `error` carries. */
export interface ErrorData {
  /** what kind of error */
  code: string;
  /** whether the player gave up */
  fatal: boolean;
  /** what it said */
  message?: string;
  /** how long the playable is */
  duration_s?: number;
}

/** What `download` carries. */
export interface DownloadData {
  /** what became of it */
  state: string;
  /** how large it is on the device */
  size_bytes?: number;
}

/** What `search` carries. */
export interface SearchData {
  /** what was looked for */
  text: string;
  /** how many were found */
  results?: number;
}

/** What `thumb` carries. */
export interface ThumbData {
  /** 1 up, -1 down, 0 neither */
  value: -1 | 0 | 1;
}

/** What `list_change` carries. */
export interface ListChangeData {
  /** on the list, or off it */
  saved: boolean;
}

/** What one of two rankers put on an interleaved page. */
export interface Picked {
  /** whose pick they are */
  cell: string;
  /** the titles */
  title_ids: string[];
}

/** What `exposure` carries. */
export interface ExposureData {
  /** the experiment's key */
  experiment: string;
  /** the cell that the viewer is in */
  cell?: string;
  /** the experiment's layer */
  layer?: string;
  /** why this cell */
  reason?: string;
  /** of an interleaving experiment: what the page showed, by the ranker that picked it */
  picks?: Picked[];
  /** of a switchback: the hour, since the epoch, that is in the cell */
  hour?: number;
}

/** What `edge_access` carries. */
export interface EdgeAccessData {
  /** the edge */
  edge: string;
  /** the object's content-hash name */
  object: string;
  /** HTTP status */
  status: number;
  /** bytes of the body that were sent */
  size_bytes: number;
  /** whether the edge held it */
  cache?: 'hit' | 'miss';
  /** hit, or the class of the miss: why the nearest edge did not serve it whole */
  kind?: 'content' | 'health' | 'hit' | 'policy' | 'steering';
  /** the `decision` of steering that made the URL, by the signature in it */
  decision?: string;
  /** request to last byte */
  ms?: number;
}

/** What might have been chosen. */
export interface Alternative {
  /** what might have been chosen */
  id: string;
  /** how it was judged */
  score?: number;
}

/** What `decision` carries. */
export interface DecisionData {
  /** limits, experiments, cdn, media, recommend, … */
  system: string;
  /** the policy and its version */
  policy_version: string;
  /** what it was decided on, or a reference to it, so that it can be replayed */
  input: string;
  /** what was chosen */
  choice: string;
  /** what might have been chosen, the choice included */
  alternatives?: Alternative[];
  /** why */
  reason?: string;
  /** probability of the choice under the policy */
  propensity?: number;
}

/** What `cmcd` carries. */
export interface CmcdData {
  /** how the player sends it */
  mode: 'event' | 'header' | 'query';
  /** the query's `CMCD`, decoded; or the header fields, one a line; or the event's report */
  text: string;
}

/** A page was shown. */
export interface PageViewEvent {
  type: 'page_view';
  version?: 1;
  /** made by the client; the same id twice is one event, and the first one counts */
  id: string;
  /** the client's clock, ms since the epoch, corrected by the skew that the batch's `sent_ms` shows; a time in the future, or more than 30 days old, becomes the time of arrival */
  at_ms: number;
  /** the playback session, where there is one */
  session_id?: string;
  /** the title that it is about */
  title_id?: string;
  /** the film or episode that it is about */
  playable_id?: string;
  /** seconds into the playable */
  position_s?: number;
  data: PageViewData;
}

/** A title was shown in a row. */
export interface ImpressionEvent {
  type: 'impression';
  version?: 1;
  /** made by the client; the same id twice is one event, and the first one counts */
  id: string;
  /** the client's clock, ms since the epoch, corrected by the skew that the batch's `sent_ms` shows; a time in the future, or more than 30 days old, becomes the time of arrival */
  at_ms: number;
  /** the playback session, where there is one */
  session_id?: string;
  /** the title that it is about */
  title_id: string;
  /** the film or episode that it is about */
  playable_id?: string;
  /** seconds into the playable */
  position_s?: number;
  data: ImpressionData;
}

/** Playback began. */
export interface PlayEvent {
  type: 'play';
  version?: 1;
  /** made by the client; the same id twice is one event, and the first one counts */
  id: string;
  /** the client's clock, ms since the epoch, corrected by the skew that the batch's `sent_ms` shows; a time in the future, or more than 30 days old, becomes the time of arrival */
  at_ms: number;
  /** the playback session, where there is one */
  session_id?: string;
  /** the title that it is about */
  title_id: string;
  /** the film or episode that it is about */
  playable_id: string;
  /** seconds into the playable */
  position_s?: number;
  data?: PlayData;
}

/** The player is at `position_s`; its sums make good for heartbeats that were lost. */
export interface HeartbeatEvent {
  type: 'heartbeat';
  version?: 1;
  /** made by the client; the same id twice is one event, and the first one counts */
  id: string;
  /** the client's clock, ms since the epoch, corrected by the skew that the batch's `sent_ms` shows; a time in the future, or more than 30 days old, becomes the time of arrival */
  at_ms: number;
  /** the playback session, where there is one */
  session_id?: string;
  /** the title that it is about */
  title_id: string;
  /** the film or episode that it is about */
  playable_id: string;
  /** seconds into the playable */
  position_s?: number;
  data?: ProgressData;
}

/** The player was closed. */
export interface StopEvent {
  type: 'stop';
  version?: 1;
  /** made by the client; the same id twice is one event, and the first one counts */
  id: string;
  /** the client's clock, ms since the epoch, corrected by the skew that the batch's `sent_ms` shows; a time in the future, or more than 30 days old, becomes the time of arrival */
  at_ms: number;
  /** the playback session, where there is one */
  session_id?: string;
  /** the title that it is about */
  title_id: string;
  /** the film or episode that it is about */
  playable_id: string;
  /** seconds into the playable */
  position_s?: number;
  data?: ProgressData;
}

/** The viewer jumped to `position_s`. */
export interface SeekEvent {
  type: 'seek';
  version?: 1;
  /** made by the client; the same id twice is one event, and the first one counts */
  id: string;
  /** the client's clock, ms since the epoch, corrected by the skew that the batch's `sent_ms` shows; a time in the future, or more than 30 days old, becomes the time of arrival */
  at_ms: number;
  /** the playback session, where there is one */
  session_id?: string;
  /** the title that it is about */
  title_id: string;
  /** the film or episode that it is about */
  playable_id: string;
  /** seconds into the playable */
  position_s?: number;
  data?: SeekData;
}

/** Another rendition plays. */
export interface QualityChangeEvent {
  type: 'quality_change';
  version?: 1;
  /** made by the client; the same id twice is one event, and the first one counts */
  id: string;
  /** the client's clock, ms since the epoch, corrected by the skew that the batch's `sent_ms` shows; a time in the future, or more than 30 days old, becomes the time of arrival */
  at_ms: number;
  /** the playback session, where there is one */
  session_id?: string;
  /** the title that it is about */
  title_id: string;
  /** the film or episode that it is about */
  playable_id: string;
  /** seconds into the playable */
  position_s?: number;
  data: QualityChangeData;
}

/** Playback waited for data, and goes on. */
export interface StallEvent {
  type: 'stall';
  version?: 1;
  /** made by the client; the same id twice is one event, and the first one counts */
  id: string;
  /** the client's clock, ms since the epoch, corrected by the skew that the batch's `sent_ms` shows; a time in the future, or more than 30 days old, becomes the time of arrival */
  at_ms: number;
  /** the playback session, where there is one */
  session_id?: string;
  /** the title that it is about */
  title_id: string;
  /** the film or episode that it is about */
  playable_id: string;
  /** seconds into the playable */
  position_s?: number;
  data: StallData;
}

/** The player gave up, or told of a problem. */
export interface ErrorEvent {
  type: 'error';
  version: 2;
  /** made by the client; the same id twice is one event, and the first one counts */
  id: string;
  /** the client's clock, ms since the epoch, corrected by the skew that the batch's `sent_ms` shows; a time in the future, or more than 30 days old, becomes the time of arrival */
  at_ms: number;
  /** the playback session, where there is one */
  session_id?: string;
  /** the title that it is about */
  title_id?: string;
  /** the film or episode that it is about */
  playable_id?: string;
  /** seconds into the playable */
  position_s?: number;
  data: ErrorData;
}

/** A title was kept on the device, or removed from it. */
export interface DownloadEvent {
  type: 'download';
  version?: 1;
  /** made by the client; the same id twice is one event, and the first one counts */
  id: string;
  /** the client's clock, ms since the epoch, corrected by the skew that the batch's `sent_ms` shows; a time in the future, or more than 30 days old, becomes the time of arrival */
  at_ms: number;
  /** the playback session, where there is one */
  session_id?: string;
  /** the title that it is about */
  title_id: string;
  /** the film or episode that it is about */
  playable_id?: string;
  /** seconds into the playable */
  position_s?: number;
  data: DownloadData;
}

/** The viewer looked for something. */
export interface SearchEvent {
  type: 'search';
  version?: 1;
  /** made by the client; the same id twice is one event, and the first one counts */
  id: string;
  /** the client's clock, ms since the epoch, corrected by the skew that the batch's `sent_ms` shows; a time in the future, or more than 30 days old, becomes the time of arrival */
  at_ms: number;
  /** the playback session, where there is one */
  session_id?: string;
  /** the title that it is about */
  title_id?: string;
  /** the film or episode that it is about */
  playable_id?: string;
  /** seconds into the playable */
  position_s?: number;
  data: SearchData;
}

/** A judgement of a title. */
export interface ThumbEvent {
  type: 'thumb';
  version?: 1;
  /** made by the client; the same id twice is one event, and the first one counts */
  id: string;
  /** the client's clock, ms since the epoch, corrected by the skew that the batch's `sent_ms` shows; a time in the future, or more than 30 days old, becomes the time of arrival */
  at_ms: number;
  /** the playback session, where there is one */
  session_id?: string;
  /** the title that it is about */
  title_id: string;
  /** the film or episode that it is about */
  playable_id?: string;
  /** seconds into the playable */
  position_s?: number;
  data: ThumbData;
}

/** The viewer's list changed. */
export interface ListChangeEvent {
  type: 'list_change';
  version?: 1;
  /** made by the client; the same id twice is one event, and the first one counts */
  id: string;
  /** the client's clock, ms since the epoch, corrected by the skew that the batch's `sent_ms` shows; a time in the future, or more than 30 days old, becomes the time of arrival */
  at_ms: number;
  /** the playback session, where there is one */
  session_id?: string;
  /** the title that it is about */
  title_id: string;
  /** the film or episode that it is about */
  playable_id?: string;
  /** seconds into the playable */
  position_s?: number;
  data: ListChangeData;
}

/** An experiment's cell made a difference to the viewer for the first time. */
export interface ExposureEvent {
  type: 'exposure';
  version?: 1;
  /** made by the client; the same id twice is one event, and the first one counts */
  id: string;
  /** the client's clock, ms since the epoch, corrected by the skew that the batch's `sent_ms` shows; a time in the future, or more than 30 days old, becomes the time of arrival */
  at_ms: number;
  /** the playback session, where there is one */
  session_id?: string;
  /** the title that it is about */
  title_id?: string;
  /** the film or episode that it is about */
  playable_id?: string;
  /** seconds into the playable */
  position_s?: number;
  data: ExposureData;
}

/** An edge served bytes. */
export interface EdgeAccessEvent {
  type: 'edge_access';
  version?: 1;
  /** made by the client; the same id twice is one event, and the first one counts */
  id: string;
  /** the client's clock, ms since the epoch, corrected by the skew that the batch's `sent_ms` shows; a time in the future, or more than 30 days old, becomes the time of arrival */
  at_ms: number;
  /** the playback session, where there is one */
  session_id?: string;
  /** the title that it is about */
  title_id?: string;
  /** the film or episode that it is about */
  playable_id?: string;
  /** seconds into the playable */
  position_s?: number;
  data: EdgeAccessData;
}

/** A system decided something. */
export interface DecisionEvent {
  type: 'decision';
  version?: 1;
  /** made by the client; the same id twice is one event, and the first one counts */
  id: string;
  /** the client's clock, ms since the epoch, corrected by the skew that the batch's `sent_ms` shows; a time in the future, or more than 30 days old, becomes the time of arrival */
  at_ms: number;
  /** the playback session, where there is one */
  session_id?: string;
  /** the title that it is about */
  title_id?: string;
  /** the film or episode that it is about */
  playable_id?: string;
  /** seconds into the playable */
  position_s?: number;
  data: DecisionData;
}

/** Common Media Client Data, version 1 or 2, as any player reports it (CTA-5004); `core/cmcd.py` reads it.

Readers of the log find `mode`, `v` and `keys`: the standard's keys in the standard's units. */
export interface CmcdEvent {
  type: 'cmcd';
  version?: 1;
  /** made by the client; the same id twice is one event, and the first one counts */
  id: string;
  /** the client's clock, ms since the epoch, corrected by the skew that the batch's `sent_ms` shows; a time in the future, or more than 30 days old, becomes the time of arrival */
  at_ms: number;
  /** the playback session, where there is one */
  session_id?: string;
  /** the title that it is about */
  title_id?: string;
  /** the film or episode that it is about */
  playable_id?: string;
  /** seconds into the playable */
  position_s?: number;
  data: CmcdData;
}

export type AnyEvent =
  | PageViewEvent
  | ImpressionEvent
  | PlayEvent
  | HeartbeatEvent
  | StopEvent
  | SeekEvent
  | QualityChangeEvent
  | StallEvent
  | ErrorEvent
  | DownloadEvent
  | SearchEvent
  | ThumbEvent
  | ListChangeEvent
  | ExposureEvent
  | EdgeAccessEvent
  | DecisionEvent
  | CmcdEvent;
