/** Texts that others wrote, for terminals: what would steer one is shown, not sent. */

/** `text` with every control character escaped, those above U+007E too, which JSON.stringify leaves. */
export function visible(text: string): string {
  return text.replace(/\p{Cc}/gu, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
