import { Buffer } from 'node:buffer';
import { hash } from 'node:crypto';
import type { ImagePart, Part, ReasoningPart } from '../../gen/llmgateway/v1/message_pb.js';
import * as build from './build.ts';

// Gemini signs the pictures of its answers. The signature is reasoning without text right after its picture. Where a form has no such
// place, or may lose the picture, it stands by itself: as encrypted reasoning whose id says of which picture it is, by its place and by
// its data. On a picture that it is not of, a signature would be a lie.

/** Format of reasoning that is a thought signature. */
export const thoughtSignatureFormat = 'google-gemini-v1';

/** `image:1:N2MyZ…`: place among the pictures, digest of the data. Without a digest only the place is known. */
const idForm = /^image:(\d{1,4})(?::([\w-]{16}))?$/;

/** Whether an id is a picture's, not a call's. */
export const isPictureId = (id: string): boolean => idForm.test(id);

/** Whether a part is a picture that a form without ids of files can show. */
export const isPicture = ({ content }: Part): boolean =>
  content.case === 'image' && content.value.source.case !== 'fileId';

/** Whether reasoning, where it follows a picture, is the picture's signature. */
export const isPictureSignature = ({ text, signature, format }: ReasoningPart): boolean =>
  text === '' && signature !== '' && format === thoughtSignatureFormat;

const isSignature = (part: Part | undefined): boolean =>
  part?.content.case === 'reasoning' && isPictureSignature(part.content.value);

/** What a picture is known by: the digest of its data, or of its address. The same base64 is the same picture, whatever is around it. */
export function pictureDigest({ source }: ImagePart): string {
  return hash('sha256', dataOf(source), 'base64url').slice(0, 16);
}

function dataOf(source: ImagePart['source']): string {
  if (source.case === 'data') return Buffer.from(source.value).toString('base64');
  const url = source.value ?? '';
  return isDataUrl(url) ? url.slice(url.indexOf(',') + 1) : url;
}

const isDataUrl = (url: string): boolean => /^data:/i.test(url);

/** Stands for the id of a picture, which has none. @param place among the pictures of its message */
export const pictureId = (place: number, { content }: Part): string =>
  content.case === 'image' ? `image:${place}:${pictureDigest(content.value)}` : `image:${place}`;

/** The parts with the signatures of pictures in the form that stands by itself, each in its place; the same list where there are none. */
export function detachPictureSignatures(parts: readonly Part[]): readonly Part[] {
  let pictures = 0;
  let changed = false;
  const detached = parts.map((part, i) => {
    const before = parts[i - 1];
    if (isPicture(part)) pictures++;
    if (before === undefined || !isPicture(before) || !isSignature(part)) return part;
    if (part.content.case !== 'reasoning') return part;
    changed = true;
    const { signature: encrypted, format } = part.content.value;
    const value = build.reasoning('', { encrypted, format, id: pictureId(pictures - 1, before) });
    return { ...part, content: { case: 'reasoning' as const, value } };
  });
  return changed ? detached : parts;
}

/** A signature that stands by itself, and of which picture it is. */
interface Detached {
  readonly part: Part;
  readonly place: number;
  /** '' where it is not known. */
  readonly digest: string;
}

/** The parts with signatures that stand by themselves right after their pictures; those whose picture is not there stay as they are. */
export function attachPictureSignatures(parts: Part[]): Part[] {
  const detached = parts.map(detachedOf).filter((one) => one !== undefined);
  if (detached.length === 0) return parts;
  const owners = ownersOf(detached, parts);
  if (owners.size === 0) return parts;
  const signatures = new Map([...owners].map(([{ part }, picture]) => [picture, part]));
  const moved = new Set(signatures.values());
  return parts.flatMap((part) => {
    if (moved.has(part)) return [];
    const signature = signatures.get(part);
    return signature === undefined ? [part] : [part, attached(signature)];
  });
}

function detachedOf(part: Part): Detached | undefined {
  const { content } = part;
  if (content.case !== 'reasoning' || content.value.format !== thoughtSignatureFormat) return undefined;
  if (content.value.encrypted === '') return undefined;
  const [, place, digest = ''] = idForm.exec(content.value.id) ?? [];
  return place === undefined ? undefined : { part, place: Number(place), digest };
}

function ownersOf(detached: readonly Detached[], parts: readonly Part[]): Map<Detached, Part> {
  const owners = new Map<Detached, Part>();
  const pictures = parts.filter(isPicture);
  const free = new Set(parts.filter((part, i) => isPicture(part) && !isSignature(parts[i + 1])));
  const give = (signature: Detached, picture: Part): void => {
    owners.set(signature, picture);
    free.delete(picture);
  };
  const digests = new Map<Part, string>();
  for (const picture of free) {
    if (picture.content.case === 'image') digests.set(picture, pictureDigest(picture.content.value));
  }
  for (const signature of detached) {
    const same = [...free].find((picture) => digests.get(picture) === signature.digest);
    if (same !== undefined) give(signature, same);
  }
  // A client that lost some of the pictures has the others in other places.
  if (detached.some(({ place }) => place >= pictures.length)) return owners;
  for (const signature of detached) {
    const picture = pictures[signature.place];
    if (owners.has(signature) || picture === undefined || !free.has(picture)) continue;
    if (signature.digest === '' || isElsewhere(picture)) give(signature, picture);
  }
  return owners;
}

/** Whether a picture is given by its address: a client may have put there what came as data. */
const isElsewhere = ({ content }: Part): boolean =>
  content.case === 'image' && content.value.source.case === 'url' && !isDataUrl(content.value.source.value);

function attached(part: Part): Part {
  if (part.content.case !== 'reasoning') return part;
  const { encrypted: signature, format } = part.content.value;
  return build.part({ case: 'reasoning', value: build.reasoning('', { signature, format }) });
}

/** Whether a part is the signature of a tool call or a picture, whose id it has. */
export const isSignatureById = ({ content }: Part): boolean =>
  content.case === 'reasoning' &&
  content.value.format === thoughtSignatureFormat &&
  content.value.id !== '' &&
  content.value.encrypted !== '';

/**
 * Moves the signatures of tool calls and pictures, which come as encrypted details with an id, to where they belong: into their
 * calls, right after their pictures.
 * @returns the parts in that order
 */
export function attachSignatures(parts: Part[]): Part[] {
  if (!parts.some(isSignatureById)) return parts;
  const attached = (part: Part): boolean => {
    if (part.content.case !== 'reasoning' || !isSignatureById(part)) return false;
    const { id, encrypted: signature } = part.content.value;
    for (const { content: other } of parts) {
      if (other.case !== 'toolCall' || other.value.id !== id) continue;
      other.value.signature = signature;
      return true;
    }
    return false;
  };
  return attachPictureSignatures(parts.filter((part) => !attached(part)));
}
