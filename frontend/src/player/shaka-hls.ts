/** shaka-player as small as it plays our HLS. */
export { default } from 'shaka-player/dist/shaka-player.hls-es2021.js';
