import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { GatewayError } from '../errors/gateway-error.ts';
import type { ScreenArguments } from './integrations-api.ts';
import type { ScreenTexts } from './query-api.ts';
import { ownProvider, type QueryProviders } from './query-providers.ts';

/** The service that asks models of providers that its client names, and whom it asks where none is named. */
const asking = { service: 'summarizer_hub', usual: ['ollama'] } as const;

/** Looks at arguments for the platform's services. */
export const screenArguments =
  (screen: ScreenTexts, providers: Pick<QueryProviders, 'find'>): ScreenArguments =>
  (service, args, principal) => {
    const report = screen(() => [JSON.stringify(args)], principal);
    if (
      report?.sensitive !== true ||
      report.mode !== 'route' ||
      service.replaceAll('-', '_') !== asking.service
    )
      return report;
    if (args['text'] === undefined && args['prompt'] === undefined) return report;
    const { providers: given = null } = args;
    const named: readonly unknown[] = given === null ? asking.usual : Array.isArray(given) ? given : [given];
    const isSecure = (name: unknown): boolean =>
      typeof name === 'string' && providers.find(ownProvider(name.toLowerCase()))?.secure === true;
    const kept = named.filter(isSecure);
    if (kept.length === named.length && kept.length > 0) return report;
    if (kept.length === 0) {
      const error = new GatewayError(
        ErrorReason.NO_SECURE_PROVIDER,
        'the arguments hold sensitive text, and none of the providers for it is of security level high',
        { field: 'providers' },
      );
      error.sensitivity = report;
      throw error;
    }
    report.keptFrom = String(named.find((name) => !isSecure(name))).slice(0, 64);
    args['providers'] = kept;
    return report;
  };
