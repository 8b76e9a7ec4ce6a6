import { SecurityLevel } from '../../gen/llmgateway/v1/models_service_pb.js';
import { mayAsk } from '../auth/models.ts';
import type { CatalogueEntry } from '../catalogue/catalogue.ts';
import type { Config } from '../config/load.ts';
import { namesOfGroup, type Router } from '../pipeline/routing.ts';
import type { SecurityPolicy } from '../pipeline/security.ts';
import { Screen } from '../security/screening.ts';

/** Models that a server of Ollama has elsewhere: what it is asked of them goes to ollama.com. */
const ollamaCloud = /[:-]cloud$/i;

/** Tells which models may have sensitive texts. */
export function secureModels({
  providers,
  securityProviders,
}: Config): (provider: string, upstreamModel: string, entry: CatalogueEntry | null) => boolean {
  const configured = new Map(providers.map((one) => [one.name, one]));
  return (name, upstreamModel, entry) => {
    const provider = configured.get(name);
    if (provider === undefined) return false;
    if (securityProviders.length > 0 && !securityProviders.includes(name)) return false;
    if (provider.form === 'ollama' && ollamaCloud.test(upstreamModel)) return false;
    if (entry !== null) return entry.model.securityLevel === SecurityLevel.HIGH;
    return provider.securityLevel === 'high';
  };
}

/** What a configuration says about sensitive texts. */
export function securityPolicy(config: Config, router: Router): SecurityPolicy {
  const { securityMode, securityTenants, securityThreshold, securityKeywords, securityModels } = config;
  return {
    screen: new Screen({ keywords: securityKeywords, threshold: securityThreshold }),
    mode: securityMode,
    tenants: securityTenants,
    standIns({ kind, principal, request, secureModels: ofFace }) {
      // Vectors of two models cannot be compared: only whoever left the choice to the gateway gets others.
      const isOpen = kind === 'chat' && request.options?.fallbacks[0] !== 'none';
      const names = [...(ofFace?.() ?? []), ...(isOpen ? securityModels : [])];
      return router.standIns(names, kind).filter((group) => mayAsk(principal, namesOfGroup(group)));
    },
  };
}
