import type { ToolPaths } from '../../config/tool-paths.ts';
import type { Service, ServiceError } from '../../integrations/service.ts';
import type { Tool } from '../tool.ts';
import { type Arguments, noJson, type Parameters, resultOf, serviceTool } from './service-tool.ts';
import { unwrap } from './unwrap.ts';

/** Agents think for a while. In milliseconds. */
const agentTimeoutMs = 60_000;

/** A tool whose work is done by an agent for code. It never fails: where there is no answer, its result says so in the form of an answer. */
interface CodeAgent {
  readonly name: 'review_code' | 'analyze_architecture' | 'generate_documentation';
  readonly description: string;
  readonly parameters: Parameters;
  /** What is sent. */
  readonly body: (args: Arguments) => object;
  /** The result when there is no answer. */
  readonly without: (error: string, args: Arguments) => object;
}

const codeAgent = (service: Service, paths: ToolPaths, agent: CodeAgent): Tool =>
  serviceTool({
    ...agent,
    service,
    breaker: 'ai-agents-run',
    timeoutMs: agentTimeoutMs,
    ask: (args) => ({ method: 'POST', path: paths[agent.name], body: agent.body(args) }),
    answered: unwrap,
    failed: (error, args) => resultOf(agent.without(textOf(error), args)),
  });

function textOf({ kind, status, reason }: ServiceError): string {
  if (kind === 'timeout') return 'AI agents service timeout';
  if (kind === 'status') return `AI agents returned error: ${status}`;
  if (kind === 'too_large' || reason === noJson) return `AI agents service error: ${reason}`;
  return 'AI agents service unavailable';
}

const code = { type: 'string', description: 'The code.' };

export const reviewCode = (service: Service, paths: ToolPaths): Tool =>
  codeAgent(service, paths, {
    name: 'review_code',
    description: 'Reviews code: findings with their severity, a summary and a score.',
    parameters: {
      properties: {
        code,
        language: { type: 'string', description: 'Its programming language.', default: 'python' },
      },
      required: ['code'],
    },
    body: (args) => ({ code: args['code'], language: args['language'] ?? 'python' }),
    without: (error) => ({ error, findings: [], summary: `Code review failed: ${error}`, score: 0 }),
  });

export const analyzeArchitecture = (service: Service, paths: ToolPaths): Tool =>
  codeAgent(service, paths, {
    name: 'analyze_architecture',
    description: 'Analyses the architecture of code: patterns, concerns and suggestions.',
    parameters: {
      properties: {
        code,
        context: { type: 'string', description: 'What else is to be known about it.', default: '' },
      },
      required: ['code'],
    },
    body: (args) => ({ code: args['code'], context: args['context'] ?? '' }),
    without: (error) => ({
      error,
      analysis: { patterns: [], concerns: [], suggestions: [] },
      summary: `Architecture analysis failed: ${error}`,
    }),
  });

export const generateDocumentation = (service: Service, paths: ToolPaths): Tool =>
  codeAgent(service, paths, {
    name: 'generate_documentation',
    description: 'Writes documentation for code.',
    parameters: {
      properties: {
        code,
        format: {
          type: 'string',
          description: 'Form of the documentation, such as "markdown", "rst", "docstring".',
          default: 'markdown',
        },
      },
      required: ['code'],
    },
    body: (args) => ({ code: args['code'], format: args['format'] ?? 'markdown' }),
    without: (error, args) => ({
      error,
      documentation: '',
      format: args['format'] ?? 'markdown',
      sections: [],
    }),
  });
