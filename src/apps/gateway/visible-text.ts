/** Texts that others wrote, for terminals: what would steer one, hide in it or reorder it is shown, not sent. */

/**
 * Control characters (C0, DEL, C1), line and paragraph separators, lone surrogates, and whatever has no shape of its own:
 * bidirectional overrides, zero-width spaces and joiners, fillers, tags, interlinear marks (\p{DI} is Default_Ignorable_Code_Point).
 */
const UNSEEN = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\p{DI}\uFFF9-\uFFFB]/u

/** Where such a character is part of what is seen: emoji sequences, and joiners between the letters of scripts that need them. */
const SEEN = [
  /\p{Extended_Pictographic}\uFE0F?(?:\p{Emoji_Modifier})?(?:\u200D\p{Extended_Pictographic}\uFE0F?(?:\p{Emoji_Modifier})?)*/u,
  /[\d#*]\uFE0F\u20E3/u,
  /(?<=[\p{Script=Arabic}\p{Script=Devanagari}\p{Script=Bengali}\p{Script=Malayalam}\p{Script=Sinhala}\p{Script=Telugu}\p{Script=Kannada}])[\u200C\u200D](?=\p{L})/u,
]

const EITHER = new RegExp(`${SEEN.map(({ source }) => `(?:${source})`).join('|')}|(${UNSEEN.source})`, 'gu')

/** A pile of marks on one letter grows over the lines above it. */
const PILE = /(?<=\p{M}{8})\p{M}/gu

/** `text` with every such character as `\uXXXX`, also where it is not obvious that it is one: U+202E, U+200B, U+E0041. */
export function visible(text: string): string {
  return text.replace(EITHER, (whole: string, unseen: string | undefined) => (unseen === undefined ? whole : escaped(unseen))).replace(PILE, escaped)
}

/** In code units, so that JSON stays JSON. */
function escaped(char: string): string {
  return char.split('').map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')
}
