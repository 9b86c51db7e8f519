import { css } from 'lit';

/** The player's look; colours come from the page's tokens. */
export const styles = css`
  :host {
    display: block;
    position: relative;
    background: #000;
    color: #f3f1ec;
    font-family: var(--font, system-ui, sans-serif);
    container-type: inline-size;
    --media-primary-color: #f3f1ec;
    --media-secondary-color: transparent;
    --media-control-background: transparent;
    --media-control-hover-background: rgb(255 255 255 / 14%);
    --media-range-bar-color: var(--accent, #ffb545);
    --media-range-thumb-background: var(--accent, #ffb545);
    --media-range-track-background: rgb(255 255 255 / 26%);
    --media-range-track-pointer-background: rgb(255 255 255 / 30%);
    --media-time-range-buffered-color: rgb(255 255 255 / 34%);
    --media-preview-thumbnail-border-radius: 6px;
    --media-preview-time-background: rgb(11 11 13 / 85%);
    --media-preview-time-border-radius: 4px;
    --media-font-family: inherit;
    --media-font-size: 15px;
    --media-text-color: #f3f1ec;
    --media-focus-box-shadow: inset 0 0 0 3px var(--focus, #fff);
    --media-tooltip-background: rgb(11 11 13 / 92%);
  }
  media-controller { display: block; width: 100%; height: 100%; background: #000; }
  media-controller:focus-visible { box-shadow: inset 0 0 0 3px var(--focus, #fff); outline: none; }
  video { width: 100%; height: 100%; object-fit: contain; }
  [hidden] { display: none !important; }
  .top, .bottom { inline-size: 100%; box-sizing: border-box; padding-inline: clamp(12px, 3vw, 48px); }
  .top {
    display: flex; align-items: center; gap: 8px; padding-block: 16px 48px;
    background: linear-gradient(rgb(0 0 0 / 75%), transparent);
  }
  .bottom {
    display: block; padding-block: 48px 12px;
    background: linear-gradient(transparent, rgb(0 0 0 / 85%));
  }
  .name { margin: 0; font-size: 18px; line-height: 1.25; font-weight: var(--weight-strong, 600); }
  .name small { display: block; font-size: 14px; font-weight: var(--weight, 400); opacity: 0.8; }
  media-control-bar { display: flex; align-items: center; inline-size: 100%; }
  media-control-bar.line media-time-range { flex: 1; height: 32px; --media-control-hover-background: transparent; }
  .gap { flex: 1; }
  .icon, .top a {
    display: inline-grid; place-items: center; min-inline-size: 44px; block-size: 44px; padding: 0;
    border: 0; border-radius: 6px; background: transparent; color: inherit; cursor: pointer; text-decoration: none;
  }
  .icon:hover, .top a:hover { background: rgb(255 255 255 / 14%); }
  media-play-button, media-seek-backward-button, media-seek-forward-button, media-mute-button, media-pip-button,
  media-fullscreen-button { min-inline-size: 44px; block-size: 44px; padding: 10px; border-radius: 6px; box-sizing: border-box; }
  button:focus-visible, a:focus-visible, [tabindex]:focus-visible { outline: 3px solid var(--focus, #fff); outline-offset: -3px; }
  media-volume-range { inline-size: 88px; }
  .over { position: absolute; z-index: 3; box-sizing: border-box; pointer-events: auto; }
  .message {
    inset: 0; display: grid; place-content: center; justify-items: center; gap: 16px; padding: 24px; text-align: center;
    background: rgb(11 11 13 / 88%);
  }
  .message h2 { margin: 0; font-size: 24px; }
  .message p { margin: 0; max-inline-size: 52ch; color: var(--text-quiet, #a9a6a0); }
  .button {
    display: inline-flex; align-items: center; gap: 8px; min-block-size: 44px; padding-inline: 20px; border: 0;
    border-radius: 8px; font: inherit; font-weight: var(--weight-strong, 600); cursor: pointer; text-decoration: none;
    background: rgb(255 255 255 / 16%); color: #f3f1ec;
  }
  .button.primary { background: var(--accent, #ffb545); color: var(--accent-text, #1a1204); }
  .notice {
    inset-block-start: 76px; inset-inline: 0; margin-inline: auto; inline-size: fit-content; max-inline-size: 80%;
    padding: 8px 16px; border-radius: 8px; background: rgb(11 11 13 / 86%); font-size: 15px;
  }
  .corner { inset-block-end: 112px; inset-inline-end: clamp(12px, 3vw, 48px); }
  .card {
    inline-size: min(360px, 80%); padding: 16px; border-radius: 8px; background: rgb(20 20 23 / 94%);
    display: grid; gap: 12px;
  }
  .card p { margin: 0; }
  .card .buttons { display: flex; gap: 8px; flex-wrap: wrap; }
  .panel {
    inset-block: 72px 104px; inset-inline-end: clamp(12px, 3vw, 48px); inline-size: min(380px, calc(100% - 24px));
    overflow: auto; padding: 8px; border-radius: 8px; background: rgb(20 20 23 / 96%); align-content: start;
    block-size: fit-content; max-block-size: calc(100% - 176px); margin-block-start: auto;
  }
  .panel h2 { margin: 12px 12px 4px; font-size: 14px; font-weight: var(--weight-strong, 600); color: var(--text-quiet, #a9a6a0); }
  .panel header { display: flex; align-items: center; justify-content: space-between; }
  .items { display: grid; gap: 2px; }
  .items.inline { grid-auto-flow: column; grid-auto-columns: minmax(0, 1fr); }
  .item {
    display: flex; align-items: center; gap: 8px; min-block-size: 44px; padding: 4px 12px; border: 0; border-radius: 6px;
    background: transparent; color: inherit; font: inherit; text-align: start; cursor: pointer;
  }
  .items.inline .item { justify-content: center; padding: 4px; font-size: 14px; text-align: center; }
  .item:hover { background: rgb(255 255 255 / 10%); }
  .item[aria-checked='true'] { font-weight: var(--weight-strong, 600); }
  .item[aria-checked='true'] { background: rgb(255 255 255 / 8%); box-shadow: inset 3px 0 0 var(--accent, #ffb545); }
  .item svg { flex: none; }
  .item .quiet { margin-inline-start: auto; color: var(--text-quiet, #a9a6a0); }
  dl.keys { display: grid; grid-template-columns: auto 1fr; gap: 6px 16px; margin: 8px 12px 16px; font-size: 15px; }
  dl.keys dt { font-family: var(--mono, monospace); white-space: nowrap; }
  dl.keys dd { margin: 0; }
  .unmute { inset-block-end: 120px; inset-inline-start: clamp(12px, 3vw, 48px); }
  media-controller:not([userinactive]) video::-webkit-media-text-track-container,
  media-controller[mediapaused] video::-webkit-media-text-track-container { transform: translateY(-104px); }
  rw-why { position: absolute; z-index: 4; inset-block-start: 72px; inset-inline-start: clamp(12px, 3vw, 48px); }
  .live { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
  @container (max-width: 640px) {
    media-volume-range, media-seek-backward-button, media-seek-forward-button, media-pip-button { display: none; }
    .panel { inset-inline: 12px; inline-size: auto; }
    .name { font-size: 16px; }
  }
  @container (min-width: 1600px) {
    :host { --media-font-size: 20px; }
    .name { font-size: 24px; }
  }
`;
