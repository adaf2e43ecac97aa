/** SHA-256 of a text's UTF-8, in base64url: to compare what is too long to keep. */
import { createHash } from 'node:crypto'

export function sha256(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('base64url')
}
