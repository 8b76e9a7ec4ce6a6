import type { ImagePart } from '../../gen/llmgateway/v1/message_pb.js';
import { type ImageSize, sizeInDataUrl, sizeOf } from './image-size.ts';

/**
 * How a model's pictures are counted, by OpenAI's guide "Images and vision": in tiles of 512 pixels beside a base, or in patches of 32
 * pixels times a factor.
 */
type Rule =
  | { readonly base: number; readonly tile: number }
  | { readonly factor: number; readonly maxPatches: number };

/** By the beginning of the model's name, without its maker's; the first that fits wins. */
const rules: readonly (readonly [beginning: RegExp, rule: Rule])[] = [
  [/^gpt-4o-mini/, { base: 2833, tile: 5667 }],
  [/^(?:gpt-4\.1|gpt-5(?:\.\d+)?)-mini/, { factor: 1.62, maxPatches: 1536 }],
  [/^(?:gpt-4\.1|gpt-5(?:\.\d+)?)-nano/, { factor: 2.46, maxPatches: 1536 }],
  [/^o4-mini/, { factor: 1.72, maxPatches: 1536 }],
  [/^gpt-5/, { base: 70, tile: 140 }],
  [/^o[13]/, { base: 75, tile: 150 }],
];
const usualRule: Rule = { base: 85, tile: 170 };
/** Of pictures that are only named: somewhere between an icon and a photograph. */
const usualSize: ImageSize = { width: 1024, height: 1024 };

/** Tokens of a picture. Where its size is not known, as with remote URLs, 1024 by 1024 pixels are assumed. */
export function countImage(image: ImagePart, model: string): number {
  const name = model.toLowerCase().replace(/^.*\//, '');
  const rule = rules.find(([beginning]) => beginning.test(name))?.[1] ?? usualRule;
  const size = sizeOfPart(image) ?? usualSize;
  if ('factor' in rule) return Math.ceil(patches(size, rule.maxPatches) * rule.factor);
  return image.detail === 'low' ? rule.base : rule.base + tiles(size) * rule.tile;
}

function sizeOfPart({ source }: ImagePart): ImageSize | null {
  if (source.case === 'data') return sizeOf(source.value);
  return source.case === 'url' ? sizeInDataUrl(source.value) : null;
}

/** The picture is fit into 2048 by 2048 pixels, then its shorter side into 768. */
function tiles({ width, height }: ImageSize): number {
  const first = Math.min(1, 2048 / Math.max(width, height));
  const scale = first * Math.min(1, 768 / (first * Math.min(width, height)));
  return Math.ceil((width * scale) / 512) * Math.ceil((height * scale) / 512);
}

/** The picture is made smaller until it has no more than `most` patches, and then so that they are whole ones. */
function patches({ width, height }: ImageSize, most: number): number {
  const plain = Math.ceil(width / 32) * Math.ceil(height / 32);
  if (plain <= most) return plain;
  const shrunk = Math.sqrt((most * 32 * 32) / (width * height));
  const across = (width * shrunk) / 32;
  const down = (height * shrunk) / 32;
  // At least one patch each way, however narrow the picture is.
  const whole = Math.min(Math.max(1, Math.floor(across)) / across, Math.max(1, Math.floor(down)) / down);
  return Math.min(most, Math.max(1, Math.round(across * whole)) * Math.max(1, Math.round(down * whole)));
}
