import { LLMock } from '@copilotkit/aimock';
import type { OwnParts } from '../../src/context/gateway.ts';
import { type RunningGateway, startGateway } from './gateway.ts';

/** Models of the emulated providers, by the API that each speaks. */
export const emulated = {
  openai: 'openai/gpt-4o',
  anthropic: 'anthropic/claude-sonnet-4-5',
  google: 'google/gemini-2.5-flash',
  ollama: 'ollama/llama3.1',
  bedrock: 'bedrock/anthropic.claude-3-haiku-20240307-v1:0',
} as const;

export type Emulated = keyof typeof emulated;
export const emulatedNames = Object.keys(emulated) as Emulated[];

export interface EmulatedGateway extends RunningGateway {
  readonly mock: LLMock;
}

/** A gateway in front of an emulator of every provider, which others wrote. */
export async function startEmulated(
  env: Record<string, string> = {},
  parts: OwnParts = {},
): Promise<EmulatedGateway> {
  const mock = await LLMock.create({ port: 0, host: '127.0.0.1', logLevel: 'silent' });
  const { url } = mock;
  const gateway = await startGateway(
    {
      OPENAI_API_KEY: 'k',
      ANTHROPIC_API_KEY: 'k',
      GEMINI_API_KEY: 'k',
      AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
      AWS_SECRET_ACCESS_KEY: 'k',
      AWS_REGION: 'us-east-1',
      LLM_GATEWAY_OPENAI_BASE_URL: `${url}/v1`,
      LLM_GATEWAY_ANTHROPIC_BASE_URL: url,
      LLM_GATEWAY_GOOGLE_BASE_URL: `${url}/v1beta`,
      LLM_GATEWAY_OLLAMA_BASE_URL: url,
      LLM_GATEWAY_BEDROCK_BASE_URL: url,
      ...env,
    },
    parts,
  );
  return {
    ...gateway,
    mock,
    async stop() {
      await gateway.stop();
      await mock.stop();
    },
  };
}
