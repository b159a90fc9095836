/**
 * FNV-1a: the same number from 0 to 2^32 - 1 for the same text. It spreads texts evenly and costs
 * little; it is no protection against a client that chooses texts to collide.
 */
export const fnv1a = (text: string): number => {
  let h = 0x811c9dc5
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  return h >>> 0
}
