import http from 'node:http';
import { type Service, type ServiceAnswer, ServiceError } from '../../src/integrations/service.ts';

/** A client of one service, without a breaker: what the interface asks for and no more. */
export function httpService(name: string, baseUrl: string, timeoutMs: number): Service {
  return {
    name,
    timeoutMs,
    call: ({ method, path, json, requestId, signal, ...rest }) =>
      new Promise<ServiceAnswer>((resolve, reject) => {
        const request = http.request(`${baseUrl}${path}`, {
          method,
          agent: false,
          headers: {
            'x-request-id': requestId,
            ...(json === undefined ? {} : { 'content-type': 'application/json' }),
            ...rest.headers,
          },
        });
        const fail = (error: unknown): void => {
          clearTimeout(timer);
          signal.removeEventListener('abort', onAbort);
          request.destroy();
          reject(error);
        };
        const onAbort = (): void => fail(signal.reason);
        signal.addEventListener('abort', onAbort, { once: true });
        const timer = setTimeout(
          () => fail(new ServiceError('timeout', `${name} takes too long`)),
          rest.timeoutMs ?? timeoutMs,
        );
        request.on('error', () => fail(new ServiceError('unavailable', `${name} cannot be reached`)));
        request.on('response', async (response) => {
          try {
            let text = '';
            for await (const chunk of response.setEncoding('utf8')) text += chunk;
            const status = response.statusCode ?? 0;
            if (status >= 400) {
              throw new ServiceError('status', `${name} failed`, { status, body: text.slice(0, 4_096) });
            }
            clearTimeout(timer);
            signal.removeEventListener('abort', onAbort);
            resolve({ status, text });
          } catch (error) {
            fail(
              error instanceof ServiceError ? error : new ServiceError('unavailable', `${name} broke off`),
            );
          }
        });
        request.end(json);
      }),
  };
}
