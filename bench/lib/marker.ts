/**
 * Stands once in the text of every streamed content chunk, and nowhere else. It passes unchanged through JSON and
 * Protobuf alike, so counting it counts delivered chunks on every face.
 */
export const MARKER = 'wrd';

const bytes = Buffer.from(MARKER);

/** Occurrences in one read. One that is cut in two by the transport is missed: paced chunks arrive whole. */
export function countMarkers(data: Buffer): number {
  let count = 0;
  for (let at = data.indexOf(bytes); at !== -1; at = data.indexOf(bytes, at + bytes.length)) count++;
  return count;
}
