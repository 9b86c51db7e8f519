import type shakaHls from './shaka-hls.ts';
import type { MediaNetwork } from './media-network.ts';

/** shaka-player in either build: what is used here is the same in both. */
export type Shaka = typeof shakaHls;

/** Let shaka-player fetch everything by our network. Its table of schemes is the page's: the newest network wins. */
export function fetchWith(shaka: Shaka, network: MediaNetwork): void {
  const { NetworkingEngine } = shaka.net;
  const plugin: Parameters<typeof NetworkingEngine.registerScheme>[1] = (uri, request, type, progressed, headersReceived) => {
    const control = new AbortController();
    const fetched = network.get(uri, control.signal, progressed).then(
      (reply) => {
        headersReceived(reply.headers);
        return {
          uri: reply.address,
          originalUri: uri,
          originalRequest: request,
          data: reply.data,
          status: reply.status,
          headers: reply.headers,
          timeMs: reply.elapsedMs,
        };
      },
      (error: unknown) => {
        const { Code, Category, Severity } = shaka.util.Error;
        const code = control.signal.aborted ? Code.OPERATION_ABORTED : Code.BAD_HTTP_STATUS;
        throw new shaka.util.Error(Severity.CRITICAL, Category.NETWORK, code, uri, error, type);
      },
    );
    return new shaka.util.AbortableOperation(fetched, () => {
      control.abort();
      return Promise.resolve();
    });
  };
  for (const scheme of ['http', 'https']) {
    NetworkingEngine.registerScheme(scheme, plugin, NetworkingEngine.PluginPriority.APPLICATION, true);
  }
}
