import type { CallToolResult, ContentBlock } from '@modelcontextprotocol/client';
import type { Part } from '../../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../model/build.ts';
import type { ToolOutcome } from '../tool.ts';

/** What a server's answer to a call means: its JSON as it came, and its contents as a model reads them. */
export function outcomeOf(result: CallToolResult): ToolOutcome {
  const parts = partsOf(result);
  if (result.isError === true) {
    const said = parts.flatMap(({ content }) => (content.case === 'text' ? [content.value.text] : []));
    const text = said.filter((line) => line !== '').join('\n');
    return { kind: 'error', message: text === '' ? 'the tool failed without saying why' : text };
  }
  return { kind: 'result', json: JSON.stringify(result), parts };
}

function partsOf({ content, structuredContent }: CallToolResult): Part[] {
  if (content.length > 0) return content.map(partOf);
  return [build.textPart(structuredContent === undefined ? '' : JSON.stringify(structuredContent))];
}

function partOf(block: ContentBlock): Part {
  switch (block.type) {
    case 'text':
      return build.textPart(block.text);
    case 'image':
      return imagePart(block.data, block.mimeType);
    case 'audio':
      // Models take no sound from tools.
      return bytesPart('sound', block.data, block.mimeType);
    case 'resource_link':
      return build.textPart(linkText(block));
    case 'resource':
      return resourcePart(block.resource);
    default:
      // A kind that is newer than the SDK.
      return build.textPart(JSON.stringify(block));
  }
}

const imagePart = (base64: string, mediaType: string): Part =>
  build.part({
    case: 'image',
    value: build.image({ case: 'data', value: Buffer.from(base64, 'base64') }, { mediaType }),
  });

function resourcePart(resource: Extract<ContentBlock, { type: 'resource' }>['resource']): Part {
  if ('text' in resource) return build.textPart(resource.text);
  const { uri, mimeType = 'application/octet-stream', blob } = resource;
  if (mimeType.startsWith('image/')) return imagePart(blob, mimeType);
  return bytesPart(uri, blob, mimeType);
}

/** Bytes that models cannot read; who wants them has the JSON. */
const bytesPart = (name: string, base64: string, mediaType: string): Part =>
  build.textPart(`[${name}: ${Buffer.byteLength(base64, 'base64')} bytes of ${mediaType}]`);

function linkText({ name, uri, description }: Extract<ContentBlock, { type: 'resource_link' }>): string {
  return `[${name}](${uri})${description === undefined ? '' : `: ${description}`}`;
}
