/** The whole of shaka-player: with it films are kept on the device, and played from there. */
export { default } from 'shaka-player/dist/shaka-player.compiled-es2021.js';
