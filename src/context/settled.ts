import { readFileSync } from 'node:fs';
import { create } from '@bufbuild/protobuf';
import { ModelPriceSchema } from '../../gen/llmgateway/v1/models_service_pb.js';
import { type Catalogue, readCatalogue, securityLevel } from '../catalogue/catalogue.ts';
import { Resolver } from '../catalogue/resolve.ts';
import { createCms } from '../cms/cms.ts';
import type { TierShares } from '../cms/tier.ts';
import { parseYaml } from '../config/file.ts';
import type { Config } from '../config/load.ts';
import { Problems } from '../config/problems.ts';
import { foreignPrefixes, namePatterns } from '../config/provider-names.ts';
import type { ProviderConfig } from '../config/providers.ts';
import { toGatewayError } from '../errors/gateway-error.ts';
import type { UpstreamClient } from '../http/client.ts';
import { Integrations } from '../integrations/integrations.ts';
import type { Service } from '../integrations/service.ts';
import { createServices, type Services } from '../integrations/services.ts';
import type { LimitTerms } from '../limits/classes.ts';
import type { Logger } from '../observability/log.ts';
import type { ContextPolicy } from '../pipeline/context.ts';
import { Router } from '../pipeline/routing.ts';
import type { SecurityPolicy } from '../pipeline/security.ts';
import { type Discovery, startDiscovery } from '../providers/discovery.ts';
import type { KeyAffinity } from '../providers/key-affinity.ts';
import type { Provider } from '../providers/provider.ts';
import { createProviders, type KeyOptions } from '../providers/registry.ts';
import type { ResilienceRules } from '../resilience/rules.ts';
import { KnownModels } from '../rpc/known-models.ts';
import { builtinTools } from '../tools/builtin/builtin-tools.ts';
import { configuredTools } from '../tools/configured-tools.ts';
import type { Tool } from '../tools/tool.ts';
import { PriceBook } from '../usage/price-book.ts';
import { limitTerms } from './limits.ts';
import { resilienceRules } from './resilience.ts';
import { secureModels, securityPolicy } from './security.ts';

/** What a configuration determines and a reload replaces. */
export interface Settled {
  readonly config: Config;
  readonly router: Router;
  readonly discovery: Discovery;
  readonly models: KnownModels;
  readonly prices: PriceBook;
  /** Part of the gateway. */
  readonly builtIn: readonly Tool[];
  /** Of the configuration file. */
  readonly tools: readonly Tool[];
  readonly context: ContextPolicy;
  readonly resilience: ResilienceRules;
  readonly limits: LimitTerms;
  readonly security: SecurityPolicy;
  readonly services: Services;
  /** Of the documentation platform. */
  readonly integrations: Integrations;
  readonly providers: ReadonlyMap<string, Provider>;
}

/** What it is made with, and outlives it. */
export interface SettleParts {
  /** To providers and services. */
  readonly client: UpstreamClient;
  /** To tools of the configuration file. */
  readonly toolClient: UpstreamClient;
  /** Built-in tools besides the gateway's. */
  readonly ownTools: readonly Tool[];
  /** Which keys of providers made what is given back to them. */
  readonly keyAffinity: KeyAffinity;
  readonly log: Logger;
  /** Makes the provider that holds sessions with a command-line program. */
  readonly cli: (config: Config, provider: ProviderConfig) => Provider;
  /** Reads the files that the configuration names. Default: from the disk. */
  readonly readFile?: ((file: string) => string) | undefined;
}

/**
 * @param previous what the models of providers are known from so far
 * @throws ConfigError when the catalogue or a tool of the file is wrong
 */
export function settle(
  config: Config,
  { client, toolClient, ownTools, keyAffinity, log, cli, readFile = fromDisk }: SettleParts,
  previous?: Discovery,
): Settled {
  const catalogue = loadCatalogue(config, readFile);
  const services = createServices(config, client, log.module('services'));
  const { toolPaths: paths, searchTaxonomyEnabled: taxonomyEnabled } = config;
  const builtIn = [...builtinTools(services, { paths, taxonomyEnabled }), ...ownTools];
  const names = new Set(builtIn.map(({ name }) => name));
  const tools = configuredTools(config.tools, names, {
    client: toolClient,
    maxResultBytes: () => config.toolMaxResultBytes,
  });
  const keysLog = log.module('keys');
  const keyOptions: KeyOptions = {
    restMs: config.keyRestMs,
    onChange: (provider: string, key: string, why: string | null) =>
      why === null
        ? keysLog.info('a key is accepted again', { provider, key_number: key })
        : keysLog.warn('a key is set aside', { provider, key_number: key, reason: why }),
  };
  const providers = createProviders(config.providers, client, keyOptions, keyAffinity, {
    cli: (provider) => cli(config, provider),
    mockDelayMs: config.mockDelayMs,
  });
  const prefixes = new Map(Object.entries(foreignPrefixes));
  for (const { name, prefixes: own } of config.providers)
    for (const prefix of own) prefixes.set(prefix, name);
  const groups = new Map(config.deployments.map(({ name, members }) => [name, members[0]?.model ?? name]));
  // Before the catalogue: its names of Claude are those of the API.
  const diverted = config.backend === 'api' ? [] : ([['claude-', config.backend]] as const);
  const rules = {
    prefixes,
    patterns: namePatterns,
    diverted,
    defaultProvider: config.defaultProvider,
    groups,
  };
  const resolver = new Resolver(catalogue, rules);
  const { connectTimeoutMs, firstByteTimeoutMs, idleTimeoutMs } = config;
  const router = new Router({
    resolver,
    providers,
    timeouts: { connectMs: connectTimeoutMs, firstByteMs: firstByteTimeoutMs, idleMs: idleTimeoutMs },
    providerTimeouts: new Map(config.providers.map(({ name, timeouts }) => [name, timeouts])),
    deployments: config.deployments,
    fallbacks: config.fallbacks,
    contextFallbacks: config.contextFallbacks,
    isSecure: secureModels(config),
  });
  checkDeployments(router, config);
  const discoveryLog = log.module('discovery');
  // Their models are in the configuration; whether the program is there its sessions find out.
  const unasked = new Set(config.providers.flatMap(({ name, form }) => (form === 'cli' ? [name] : [])));
  const discovery = startDiscovery(providers.values(), {
    intervalMs: config.discoveryIntervalMs,
    previous,
    onChange(provider, reachable, error) {
      if (unasked.has(provider)) return;
      discoveryLog.info(reachable ? 'provider answers' : 'provider does not answer', {
        provider,
        ...(reachable ? {} : { error: toGatewayError(error).rawMessage }),
      });
    },
  });
  const models = new KnownModels({
    catalogue,
    resolver,
    discovery,
    providers: config.providers.map(({ name, prefixes, baseUrl, ...own }) => ({
      name,
      prefixes,
      baseUrl: own.aws?.endpoint || baseUrl,
      securityLevel: securityLevel(own.securityLevel),
      missing: providers.get(name)?.missing ?? null,
      // A key is there or not; whether what needs none is there has to be asked.
      probed: Boolean(own.aws?.endpoint) || (own.discovery && own.keyNames.length === 0),
    })),
  });
  return {
    config,
    discovery,
    builtIn,
    tools,
    models,
    prices: priceBook(config, models),
    context: contextPolicy(config, models, services.cms),
    router,
    resilience: resilienceRules(config),
    limits: limitTerms(config),
    security: securityPolicy(config, router),
    services,
    integrations: new Integrations(config, client, log.module('integrations')),
    providers,
  };
}

function priceBook({ providers, defaultPrice }: Config, models: KnownModels): PriceBook {
  return new PriceBook({
    find: (provider, upstreamModel) => models.priceOf(provider, upstreamModel),
    free: new Set(providers.filter(({ free }) => free).map(({ name }) => name)),
    fallback: defaultPrice === null ? null : create(ModelPriceSchema, { ...defaultPrice }),
  });
}

/** A deployment at a provider that is not there would be left out without a word. */
function checkDeployments(router: Router, { file }: Config): void {
  const problems = new Problems();
  for (const { group, model, provider } of router.missing()) {
    problems.add(
      `${file}: deployments.${group}: ${problems.shown(model)} belongs to provider ${provider}, which is not there`,
    );
  }
  problems.throwIfAny();
}

function contextPolicy(config: Config, models: KnownModels, cms: Service | null): ContextPolicy {
  const { cmsEnabled, cmsProcessEnabled, cmsTierShares } = config;
  return {
    // The configuration's reader has made sure that these are three, ascending.
    shares: cmsTierShares as unknown as TierShares,
    windowOf: (model) => models.contextWindow(model),
    required: cmsEnabled === true,
    process: cmsProcessEnabled,
    cms: cms === null ? null : createCms(cms),
    missing: 'LLM_GATEWAY_CMS_URL is not set',
  };
}

const fromDisk = (file: string): string => readFileSync(file, 'utf8');

function loadCatalogue(config: Config, readFile: (file: string) => string): Catalogue {
  const problems = new Problems();
  const levels = new Map(
    config.providers.map(({ name, securityLevel: level }) => [name, securityLevel(level)]),
  );
  const file = parseYaml(readFile(config.modelsFile), config.modelsFile, {});
  if (!Array.isArray(file['models']))
    problems.wrong(`${config.modelsFile}: models`, file['models'], 'a list');
  const lists = [
    { name: config.modelsFile, models: file['models'] },
    { name: config.file ?? '', models: config.models },
  ];
  const catalogue = readCatalogue(lists, levels, problems);
  problems.throwIfAny();
  return catalogue;
}
